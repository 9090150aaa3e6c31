// Linear, GroupAmax, BatchedLinear and GateUp: activations to words, then products.
#include "kernels/cpu/linear.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/cpu/activations.h"
#include "kernels/cpu/panel_matrix.h"
#include "kernels/cpu/product.h"

namespace switchyard::kernels::cpu {
namespace {

const PanelMatrix& MatrixOf(const PackedLinear* weight) {
  return static_cast<const PanelMatrix&>(*weight);
}

int64_t BatchStride(const BatchedLinearArgs& args) {
  return args.x_batch_stride == 0 ? args.weights[0]->k() : args.x_batch_stride;
}

// A matrix of f32: the backend's activations.
const float* FloatRows(const TensorView& view) {
  SY_CHECK(view.dtype == DType::kF32)
      << "the cpu backend computes on f32, got " << Name(view.dtype);
  return view.row<const float>(0);
}

float* MutableFloatRows(const TensorView& view) { return const_cast<float*>(FloatRows(view)); }

void Multiply(const CpuContext& cpu, const PanelMatrix& matrix, const WordRows& x, int64_t rows,
              const TensorView& y) {
  const Product product{.weight = &matrix,
                        .rows = rows,
                        .x = x.words,
                        .x_stride = x.stride,
                        .x_scales = x.scales,
                        .y = MutableFloatRows(y),
                        .y_stride = y.row_stride};
  RunProducts(cpu, {&product, 1});
}

// Converts the rows into scratch and multiplies them.
void RunOne(const CpuContext& cpu, const PanelMatrix& matrix, const ActivationRows& rows,
            const TensorView& y) {
  if (rows.rows == 0) return;
  const PanelLayout& layout = matrix.layout();
  WordRows words{.stride = WordStride(layout)};
  words.words = cpu.scratch->words.Reserve(rows.rows * words.stride);
  if (layout.row_scales > 0) {
    words.scales = cpu.scratch->row_scales.Reserve(rows.rows * layout.row_scales);
  }
  ConvertRows(cpu, layout, rows, words);
  Multiply(cpu, matrix, words, rows.rows, y);
}

void RunQuantised(const CpuContext& cpu, const PackedLinear* weight, const QuantisedRows& x,
                  const TensorView& y) {
  if (x.rows == 0) return;
  const PanelMatrix& matrix = MatrixOf(weight);
  Multiply(cpu, matrix, WordsOf(matrix.kernels(), x), x.rows, y);
}

}  // namespace

void Linear(const CpuContext& cpu, const LinearArgs& args) {
  if (!args.quantised.empty()) return RunQuantised(cpu, args.weight, args.quantised, args.y);
  ActivationRows rows{.x = FloatRows(args.x),
                      .stride = args.x.row_stride,
                      .rows = args.x.rows(),
                      .ue8m0 = args.ue8m0_scales};
  if (!args.x_amax.empty()) {
    const Segment& last = MatrixOf(args.weight).layout().segments.back();
    SY_CHECK_GT(args.x_amax.dims[1], last.scale_group) << "Linear: x_amax: groups";
    rows.amax = FloatRows(args.x_amax);
    rows.amax_stride = args.x_amax.row_stride;
  }
  RunOne(cpu, MatrixOf(args.weight), rows, args.y);
}

void GateUp(const CpuContext& cpu, const GateUpArgs& args) {
  SY_CHECK(MatrixOf(args.weight).shape().gate_up) << "not packed by PackGateUp";
  if (!args.quantised.empty()) return RunQuantised(cpu, args.weight, args.quantised, args.y);
  const ActivationRows rows{.x = FloatRows(args.x),
                            .stride = args.x.row_stride,
                            .rows = args.x.rows(),
                            .ue8m0 = args.ue8m0_scales};
  RunOne(cpu, MatrixOf(args.weight), rows, args.y);
}

void BatchedLinear(const CpuContext& cpu, const BatchedLinearArgs& args) {
  const int64_t rows = args.x.rows();
  const auto batch = static_cast<int64_t>(args.weights.size());
  if (rows == 0 || batch == 0) return;
  int64_t stride = 0, row_scales = 0;
  for (const PackedLinear* weight : args.weights) {
    const PanelLayout& layout = MatrixOf(weight).layout();
    stride = std::max(stride, WordStride(layout));
    row_scales = std::max(row_scales, layout.row_scales);
  }
  uint32_t* words = cpu.scratch->words.Reserve(batch * rows * stride);
  float* scales = cpu.scratch->row_scales.Reserve(batch * rows * row_scales);
  std::vector<Product>& products = cpu.scratch->products;
  products.clear();
  for (int64_t b = 0; b < batch; ++b) {
    const PanelMatrix& matrix = MatrixOf(args.weights[static_cast<size_t>(b)]);
    const WordRows to{.words = words + b * rows * stride,
                      .stride = stride,
                      .scales = scales + b * rows * row_scales};
    ConvertRows(
        cpu, matrix.layout(),
        {.x = FloatRows(args.x) + b * BatchStride(args), .stride = args.x.row_stride, .rows = rows},
        to);
    products.push_back({.weight = &matrix,
                        .rows = rows,
                        .x = to.words,
                        .x_stride = stride,
                        .x_scales = matrix.layout().row_scales > 0 ? to.scales : nullptr,
                        .y = MutableFloatRows(args.y) + b * matrix.n(),
                        .y_stride = args.y.row_stride});
  }
  RunProducts(cpu, products);
}

void GroupAmax(const CpuContext& cpu, const GroupAmaxArgs& args) {
  constexpr int64_t kTaskElements = 32 << 10;
  const PanelKernels& kernels = KernelsFor(cpu.isa);
  const int64_t k = args.x.dims[1];
  const int64_t lead = args.col_offset % kScaleColumns;
  const float* x = FloatRows(args.x);
  float* amax = MutableFloatRows(args.amax);
  const int64_t grain = std::max<int64_t>(1, kTaskElements / std::max<int64_t>(1, k));
  cpu.pool.ForEach(args.x.rows(), grain, [&](int64_t row) {
    for (int64_t group = 0; group < args.amax.dims[1]; ++group) {
      const int64_t begin = std::max<int64_t>(0, group * kScaleColumns - lead);
      const int64_t end = std::min(k, (group + 1) * kScaleColumns - lead);
      amax[row * args.amax.row_stride + group] =
          kernels.amax(x + row * args.x.row_stride + begin, end - begin);
    }
  });
}

}  // namespace switchyard::kernels::cpu
