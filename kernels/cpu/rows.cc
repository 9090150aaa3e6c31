#include "kernels/cpu/rows.h"

#include <cmath>
#include <cstring>

#include "base/check.h"
#include "kernels/cpu/activations.h"
#include "kernels/cpu/f32_rows.h"
#include "kernels/cpu/parallel_rows.h"
#include "kernels/cpu/rotary.h"
#include "kernels/cpu/row_kernels.h"

namespace switchyard::kernels::cpu {
namespace {

// One row of any of the types that widen to f32.
void WidenRow(const RowKernels& kernels, const TensorView& x, int64_t row, float* y, int64_t n) {
  switch (x.dtype) {
    case DType::kBf16:
      return kernels.widen_bf16(x.row<const Bf16>(row), y, n);
    case DType::kF16:
      return kernels.widen_f16(x.row<const F16>(row), y, n);
    default:
      std::memmove(y, x.row<const float>(row), static_cast<size_t>(n) * sizeof(float));
  }
}

}  // namespace

void Embedding(const CpuContext& cpu, const EmbeddingArgs& args) {
  CheckF32("Embedding", {&args.y});
  const RowKernels& kernels = RowKernelsOf(cpu.isa);
  const int64_t hidden = args.y.dims[1];
  ForRows(cpu, args.y.rows(), 2 * hidden * SizeOf(DType::kF32), [&](int64_t t) {
    float* y = args.y.row<float>(t);
    const int64_t row = args.ids[t] - args.first_row;
    if (row >= 0 && row < args.table.rows()) {
      WidenRow(kernels, args.table, row, y, hidden);
      if (args.scale != 1) kernels.scale(y, args.scale, hidden);
    } else {
      std::memset(y, 0, static_cast<size_t>(hidden) * sizeof(float));
    }
  });
}

void RmsNorm(const CpuContext& cpu, const RmsNormArgs& args) {
  CheckF32("RmsNorm", {&args.x});
  const RowKernels& kernels = RowKernelsOf(cpu.isa);
  const int64_t hidden = args.x.dims[1];
  const auto* weight = static_cast<const float*>(args.weight.data);
  const bool quantise = !args.quantised.empty();
  const int64_t groups = (hidden + kScaleColumns - 1) / kScaleColumns;
  WordRows words;
  if (quantise) words = WordsOf(KernelsFor(cpu.isa), args.quantised);
  TensorView y = args.y;
  if (y.empty()) {
    y = TensorView(cpu.scratch->hidden.Reserve(args.x.NumElements()), DType::kF32,
                   {args.x.rows(), hidden});
  }
  ForRows(cpu, args.x.rows(), 4 * hidden * SizeOf(DType::kF32), [&](int64_t t) {
    const float* delta = args.delta.empty() ? nullptr : args.delta.row<const float>(t);
    kernels.rms_norm(args.x.row<float>(t), delta, weight, args.eps, y.row<float>(t), hidden);
    if (!quantise) return;
    QuantiseRow(KernelsFor(cpu.isa), y.row<const float>(t), hidden, args.ue8m0_scales,
                words.words + t * words.stride, words.scales + t * groups);
  });
}

void Add(const CpuContext& cpu, const AddArgs& args) {
  CheckF32("Add", {&args.x});
  const RowKernels& kernels = RowKernelsOf(cpu.isa);
  const int64_t hidden = args.x.dims[1];
  ForRows(cpu, args.x.rows(), 3 * hidden * SizeOf(DType::kF32), [&](int64_t t) {
    kernels.add(args.x.row<float>(t), args.delta.row<const float>(t), hidden);
  });
}

void Rope(const CpuContext& cpu, const RopeArgs& args) {
  CheckF32("Rope", {&args.x});
  const auto [tokens, heads, dim, unused] = args.x.dims;
  const int64_t head_stride = args.head_stride == 0 ? dim : args.head_stride;
  const Rotary rotary(cpu, "Rope", args.positions, args.table, args.halves);
  const auto rotate_row = [&, heads = heads](int64_t t) {
    const float* const angles = rotary.Angles(t);
    float* const x = args.x.row<float>(t);
    for (int64_t head = 0; head < heads; ++head) rotary.Turn(x + head * head_stride, angles);
  };
  ForRows(cpu, tokens, 2 * heads * dim * SizeOf(DType::kF32), rotate_row);
}

void GatherRows(const CpuContext& cpu, const GatherRowsArgs& args) {
  const int64_t row_bytes = args.x.dims[1] * SizeOf(args.x.dtype);
  const auto at = [](const TensorView& view, int64_t row) {
    return static_cast<std::byte*>(view.data) + row * view.row_stride * SizeOf(view.dtype);
  };
  ForRows(cpu, args.y.rows(), 2 * row_bytes, [&](int64_t i) {
    const int64_t row = args.rows[i];
    SY_CHECK(row >= 0 && row < args.x.rows())
        << "GatherRows: rows[" << i << "]: expected below " << args.x.rows() << ", got " << row;
    std::memcpy(at(args.y, i), at(args.x, row), static_cast<size_t>(row_bytes));
  });
}

void Cast(const CpuContext& cpu, const CastArgs& args) {
  const RowKernels& kernels = RowKernelsOf(cpu.isa);
  const int64_t n = args.x.dims[1];
  const int64_t row_bytes = n * (SizeOf(args.x.dtype) + SizeOf(args.y.dtype));
  ForRows(cpu, args.x.rows(), row_bytes, [&](int64_t t) {
    if (args.y.dtype == DType::kF32) {
      WidenRow(kernels, args.x, t, args.y.row<float>(t), n);
    } else if (args.x.dtype == DType::kF32) {
      kernels.narrow_bf16(args.x.row<const float>(t), args.y.row<Bf16>(t), n);
    } else {
      std::memmove(args.y.row<Bf16>(t), args.x.row<const Bf16>(t),
                   static_cast<size_t>(n) * sizeof(Bf16));
    }
  });
}

void TreeSum(const CpuContext& cpu, const TreeSumArgs& args) {
  CheckF32("TreeSum", {&args.y});
  const RowKernels& kernels = RowKernelsOf(cpu.isa);
  const int64_t num_parts = args.parts.rows();
  const auto* parts = static_cast<const float*>(args.parts.data);
  auto* y = static_cast<float*>(args.y.data);
  ForPieces(cpu, args.parts.dims[1], (num_parts + 1) * SizeOf(DType::kF32),
            [&](int64_t begin, int64_t count) {
              kernels.tree_sum(parts + begin, num_parts, args.parts.row_stride, y + begin, count);
            });
}

// Few numbers: no thread is woken.
void LargestPart(const CpuContext& /*cpu*/, const LargestPartArgs& args) {
  for (int64_t i = 0; i < args.y.NumElements(); ++i) {
    float largest = args.parts.row<const float>(0)[i];
    for (int64_t part = 1; part < args.parts.rows(); ++part) {
      const float value = args.parts.row<const float>(part)[i];
      if (value > largest || std::isnan(value)) largest = value;  // a NaN is never replaced
    }
    static_cast<float*>(args.y.data)[i] = largest;
  }
}

}  // namespace switchyard::kernels::cpu
