// The routed experts of a layer: two parallel regions over all of them, gate and up, then down.
#include <algorithm>

#include "base/check.h"
#include "kernels/cpu/activations.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/panel_matrix.h"
#include "kernels/cpu/product.h"

namespace switchyard::kernels::cpu {
namespace {

enum class Half { kGateUp, kDown };

const PanelMatrix& MatrixOf(const MlpWeights& mlp, Half half) {
  const PackedLinear& weight = half == Half::kGateUp ? *mlp.gate_up : *mlp.down;
  return static_cast<const PanelMatrix&>(weight);
}

// One half of all blocks: rows of x, grouped by block, to rows of y.
void RunHalf(const CpuContext& cpu, const GroupedMlpArgs& args, Half half, const TensorView& x,
             const TensorView& y) {
  int64_t stride = 0, segments = 0;
  for (const MlpWeights* mlp : args.mlps) {
    const PanelLayout& layout = MatrixOf(*mlp, half).layout();
    stride = std::max(stride, WordStride(layout));
    segments = std::max(segments, static_cast<int64_t>(layout.segments.size()));
  }
  uint32_t* words = cpu.scratch->words.Reserve(x.rows() * stride);
  float* scales = cpu.scratch->row_scales.Reserve(x.rows() * segments);
  std::vector<Product>& products = cpu.scratch->products;
  products.clear();
  for (size_t i = 0; i < args.mlps.size(); ++i) {
    const int64_t begin = args.offsets[i], rows = args.offsets[i + 1] - begin;
    if (rows == 0) continue;
    const PanelMatrix& matrix = MatrixOf(*args.mlps[i], half);
    const WordRows to{
        .words = words + begin * stride, .stride = stride, .scales = scales + begin * segments};
    ConvertRows(cpu, matrix.layout(),
                {.x = x.row<const float>(begin),
                 .stride = x.row_stride,
                 .rows = rows,
                 .ue8m0 = args.ue8m0_scales},
                to);
    products.push_back({.weight = &matrix,
                        .rows = rows,
                        .x = to.words,
                        .x_stride = stride,
                        .x_scales = matrix.layout().quantize_x ? to.scales : nullptr,
                        .y = y.row<float>(begin),
                        .y_stride = y.row_stride});
  }
  RunProducts(cpu, products);
}

}  // namespace

void GroupedMlp(const CpuContext& cpu, const GroupedMlpArgs& args) {
  SY_CHECK(args.x.dtype == DType::kF32 && args.y.dtype == DType::kF32);
  if (args.x.rows() == 0) return;
  int64_t width = 0;
  for (const MlpWeights* mlp : args.mlps) width = std::max(width, mlp->gate_up->n());
  float* memory = cpu.scratch->hidden.Reserve(args.x.rows() * width);
  const TensorView hidden(memory, DType::kF32, {args.x.rows(), width});
  RunHalf(cpu, args, Half::kGateUp, args.x, hidden);
  RunHalf(cpu, args, Half::kDown, hidden, args.y);
}

}  // namespace switchyard::kernels::cpu
