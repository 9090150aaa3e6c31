#include "worker/layers/linear.h"

#include "worker/weights/block_fp8.h"

namespace switchyard::worker {

using kernels::DType;
using kernels::TensorView;

void ApplyLinear(const LayerContext& context, const kernels::PackedLinear& weight,
                 const NormedRows& x, const TensorView& y) {
  if (x.quantised.empty() || !weight.takes_quantised()) {
    return ApplyLinear(context, weight, x.rows, y);
  }
  context.ops.Linear({.quantised = x.quantised, .weight = &weight, .y = y});
}

void ApplyLinear(const LayerContext& context, const kernels::PackedLinear& weight,
                 const TensorView& x, const TensorView& y) {
  context.ops.Linear({.x = x, .weight = &weight, .y = y, .ue8m0_scales = context.ue8m0_scales});
}

absl::Status TreeAllReduce(const LayerContext& context, const TensorView& sums,
                           const TensorView& y) {
  ActivationArena::Scope scope(context.arena);
  const int64_t n = sums.NumElements();
  SY_RETURN_IF_ERROR(context.tensor_group.TreeAllReduce(static_cast<float*>(sums.data), n,
                                                        context.ReduceScratch(n)));
  if (y.data != sums.data) context.ops.Cast({.x = sums, .y = y});
  return absl::OkStatus();
}

TensorView TakeSums(const LayerContext& context, const TensorView& y) {
  if (y.dtype == DType::kF32 || context.parallel.tensor_parallel() == 1) return y;
  return context.arena.Take(DType::kF32, {y.rows(), y.RowElements()});
}

void RowParallelLinear::Load(WeightLoader& loader, const LayerContext& context,
                             const std::string& tensor, int64_t rows, int64_t cols,
                             const std::string& bias) {
  const int64_t ranks = context.parallel.tensor_parallel();
  cols_ = cols;
  col_begin_ = cols / ranks * context.parallel.tensor_rank();
  fp8_ = loader.IsFp8(tensor);
  loader.Linear({.tensor = tensor,
                 .rows = rows,
                 .cols = cols,
                 .col_begin = col_begin_,
                 .col_end = col_begin_ + cols / ranks,
                 .k_shards = context.parallel.local_virtual_shards()},
                &weight_);
  if (!bias.empty()) loader.Vector(bias, rows, &bias_);
}

absl::Status RowParallelLinear::Forward(const LayerContext& context, const TensorView& x,
                                        const TensorView& y) const {
  ActivationArena::Scope scope(context.arena);
  SY_ASSIGN_OR_RETURN(const TensorView amax, GatherAmax(context, x));
  const TensorView sums = TakeSums(context, y);
  context.ops.Linear({.x = x,
                      .weight = weight_.get(),
                      .y = sums,
                      .x_amax = amax,
                      .ue8m0_scales = context.ue8m0_scales});
  if (context.parallel.tensor_parallel() > 1) {
    SY_RETURN_IF_ERROR(TreeAllReduce(context, sums, y));
  }
  if (!bias_.view.empty()) {
    TensorView bias = bias_.view;
    bias.rank = 2;
    bias.dims = {y.rows(), y.RowElements()};
    bias.row_stride = 0;  // the same row for every token
    context.ops.Add({.x = y, .delta = bias});
  }
  return absl::OkStatus();
}

int64_t RowParallelLinear::NumAmaxGroups(int64_t cols) { return CeilDiv(cols, kFp8BlockSize); }

// Where a slice's border cuts a quantisation group, the ranks that share the group must quantise it
// with one scale.
absl::StatusOr<TensorView> RowParallelLinear::GatherAmax(const LayerContext& context,
                                                         const TensorView& x) const {
  const int64_t ranks = context.parallel.tensor_parallel();
  const bool cut = cols_ / ranks % kFp8BlockSize != 0;
  if (context.compute != kernels::Compute::kW8A8 || !fp8_ || ranks == 1 || !cut) {
    return TensorView();
  }
  const int64_t num_groups = NumAmaxGroups(cols_);
  const TensorView all = context.arena.Take(DType::kF32, {x.rows(), num_groups});
  context.ops.device().Zero(all.data, all.NumElements() * SizeOf(DType::kF32));
  const int64_t first = col_begin_ / kFp8BlockSize;
  const int64_t end = CeilDiv(col_begin_ + x.RowElements(), kFp8BlockSize);
  const TensorView own = all.Cols(first, end - first);
  context.ops.GroupAmax({.x = x, .col_offset = col_begin_, .amax = own});
  const int64_t n = all.NumElements();
  SY_RETURN_IF_ERROR(context.tensor_group.AllReduceMax(static_cast<float*>(all.data), n,
                                                       context.ReduceScratch(n)));
  return own;
}

}  // namespace switchyard::worker
