// The experts of a layer: two parallel regions over all of them, gate and up, then down.
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

// A block and the rows that run through it.
struct BlockRows {
  const MlpWeights* mlp;
  int64_t begin, rows;
};

// One half of all blocks: rows of x to the same rows of y.
void RunHalf(const CpuContext& cpu, std::span<const BlockRows> blocks, bool ue8m0, Half half,
             const TensorView& x, const TensorView& y) {
  int64_t stride = 0, row_scales = 0;
  for (const auto& [mlp, begin, rows] : blocks) {
    const PanelLayout& layout = MatrixOf(*mlp, half).layout();
    stride = std::max(stride, WordStride(layout));
    row_scales = std::max(row_scales, layout.row_scales);
  }
  uint32_t* words = cpu.scratch->words.Reserve(x.rows() * stride);
  float* scales = cpu.scratch->row_scales.Reserve(x.rows() * row_scales);
  std::vector<Product>& products = cpu.scratch->products;
  products.clear();
  for (const auto& [mlp, begin, rows] : blocks) {
    const PanelMatrix& matrix = MatrixOf(*mlp, half);
    const WordRows to{
        .words = words + begin * stride, .stride = stride, .scales = scales + begin * row_scales};
    ConvertRows(
        cpu, matrix.layout(),
        {.x = x.row<const float>(begin), .stride = x.row_stride, .rows = rows, .ue8m0 = ue8m0}, to);
    products.push_back({.weight = &matrix,
                        .rows = rows,
                        .x = to.words,
                        .x_stride = stride,
                        .x_scales = matrix.layout().row_scales > 0 ? to.scales : nullptr,
                        .y = y.row<float>(begin),
                        .y_stride = y.row_stride});
  }
  RunProducts(cpu, products);
}

void RunBlocks(const CpuContext& cpu, std::span<const BlockRows> blocks, bool ue8m0,
               const TensorView& x, const TensorView& y) {
  SY_CHECK(x.dtype == DType::kF32 && y.dtype == DType::kF32);
  if (blocks.empty()) return;
  int64_t width = 0;
  for (const BlockRows& block : blocks) width = std::max(width, block.mlp->gate_up->n());
  float* memory = cpu.scratch->hidden.Reserve(x.rows() * width);
  const TensorView hidden(memory, DType::kF32, {x.rows(), width});
  RunHalf(cpu, blocks, ue8m0, Half::kGateUp, x, hidden);
  RunHalf(cpu, blocks, ue8m0, Half::kDown, hidden, y);
}

}  // namespace

void GroupedMlp(const CpuContext& cpu, const GroupedMlpArgs& args) {
  std::vector<BlockRows> blocks;
  for (size_t i = 0; i < args.mlps.size(); ++i) {
    const int64_t begin = args.offsets[i], rows = args.offsets[i + 1] - begin;
    if (rows > 0) blocks.push_back({args.mlps[i], begin, rows});
  }
  RunBlocks(cpu, blocks, args.ue8m0_scales, args.x, args.y);
}

void RoutedMlp(const CpuContext& cpu, const RoutedMlpArgs& args) {
  std::vector<BlockRows> blocks;
  int64_t total = 0;
  for (int64_t i = 0; i < args.spans.rows(); ++i) {
    const int64_t begin = args.spans.row<const int32_t>(i)[0];
    const int64_t rows = args.spans.row<const int32_t>(i)[1];
    SY_CHECK(begin >= 0 && rows >= 0 && begin + rows <= args.x.rows())
        << "RoutedMlp: spans[" << i << "]: " << rows << " rows at " << begin << ", x has "
        << args.x.rows();
    if (rows > 0) blocks.push_back({args.table->mlps()[static_cast<size_t>(i)], begin, rows});
    total += rows;
  }
  SY_CHECK_LE(total, args.max_rows) << "RoutedMlp: rows of all spans";
  RunBlocks(cpu, blocks, args.ue8m0_scales, args.x, args.y);
}

}  // namespace switchyard::kernels::cpu
