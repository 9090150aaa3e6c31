#include "worker/layers/moe.h"

#include <fmt/format.h>

namespace switchyard::worker {

using kernels::DType;
using kernels::TensorView;

void MoeBlock::Load(WeightLoader& loader, const LayerContext& context, const std::string& prefix,
                    const v1::ModelSpec& model) {
  spec_ = model.moe();
  const int64_t hidden = model.hidden_size();
  // The router decides in FP32 whatever the linears do (MODEL_SPECS 1.4).
  loader.Values(
      {.tensor = prefix + "gate.weight", .rows = spec_.num_routed_experts(), .cols = hidden},
      [this, &loader, hidden](const float* values) {
        gate_ = loader.Pack(
            {.name = "gate.weight",
             .weight = TensorView(values, DType::kF32, {spec_.num_routed_experts(), hidden}),
             .compute = kernels::Compute::kF32});
      });
  if (!spec_.softmax_scores()) {
    loader.Vector(prefix + "gate.e_score_correction_bias", spec_.num_routed_experts(),
                  &correction_bias_);
  }
  const ExpertNames names = ExpertNamesOf(model);
  const auto add = [&](const std::string& name, int64_t width) {
    mlps_.push_back(std::make_unique<kernels::MlpWeights>());
    mlp_views_.push_back(mlps_.back().get());
    LoadMlp(loader, name, names, hidden, width, mlps_.back().get());
  };
  for (int32_t expert : context.parallel.local_experts()) {
    add(fmt::format("{}experts.{}.", prefix, expert), spec_.intermediate_size());
  }
  if (has_shared()) {
    add(prefix + "shared_experts.", spec_.num_shared_experts() * spec_.intermediate_size());
  }
}

void MoeBlock::LoadMlp(WeightLoader& loader, const std::string& prefix, const ExpertNames& names,
                       int64_t hidden_size, int64_t width, kernels::MlpWeights* mlp) {
  const auto weight = [&](std::string_view name) {
    return fmt::format("{}{}.weight", prefix, name);
  };
  loader.GateUp({.tensor = weight(names.gate), .rows = width, .cols = hidden_size},
                {.tensor = weight(names.up), .rows = width, .cols = hidden_size}, &mlp->gate_up);
  loader.Linear({.tensor = weight(names.down), .rows = hidden_size, .cols = width}, &mlp->down);
}

absl::Status MoeBlock::Forward(const LayerContext& context, int layer, const TensorView& x,
                               const TensorView& y, std::span<uint32_t> expert_rows) const {
  ActivationArena::Scope scope(context.arena);
  const IndexRange slice = context.parallel.TokenSlice(x.rows());
  const TensorView own_x = x.Rows(slice.begin, slice.size());
  const TensorView own_y = y.Rows(slice.begin, slice.size());
  const Routing routing = Route(context, layer, own_x);
  const bool fixed = context.fixed_exchange != nullptr && context.fixed_exchange->TakesStep();
  SY_RETURN_IF_ERROR(fixed ? ForwardFixed(context, routing, slice, own_x, own_y)
                           : ForwardCounted(context, routing, own_x, own_y, expert_rows));
  if (context.parallel.tensor_parallel() == 1 || x.rows() == 0) return absl::OkStatus();

  const int64_t row_bytes = y.RowElements() * SizeOf(y.dtype);
  std::vector<int64_t> slice_bytes(context.parallel.tensor_parallel());
  for (size_t rank = 0; rank < slice_bytes.size(); ++rank) {
    slice_bytes[rank] = context.parallel.TokenSliceOf(x.rows(), int(rank)).size() * row_bytes;
  }
  return context.tensor_group.AllGatherV(own_y.data, y.data, slice_bytes);
}

MoeBlock::Routing MoeBlock::Route(const LayerContext& context, int layer,
                                  const TensorView& x) const {
  const int64_t tokens = x.rows(), slots = spec_.experts_per_token();
  const TensorView logits = context.arena.Take(DType::kF32, {tokens, gate_->n()});
  const Routing routing{.ids = context.arena.Take(DType::kI32, {tokens, slots}),
                        .weights = context.arena.Take(DType::kF32, {tokens, slots})};
  if (tokens == 0) return routing;
  context.ops.Linear({.x = x, .weight = gate_.get(), .y = logits});
  context.Record("router_logits", layer, logits);
  context.ops.Gate({.logits = logits,
                    .bias = correction_bias_.view,
                    .softmax = spec_.softmax_scores(),
                    .num_groups = spec_.num_groups(),
                    .top_groups = spec_.top_groups(),
                    .normalize = spec_.normalize_weights(),
                    .scale = static_cast<float>(spec_.routed_scaling_factor()),
                    .ids = routing.ids,
                    .weights = routing.weights});
  context.Record("router_ids", layer, routing.ids);
  context.Record("router_weights", layer, routing.weights);
  return routing;
}

absl::Status MoeBlock::ForwardCounted(const LayerContext& context, const Routing& routing,
                                      const TensorView& x, const TensorView& y,
                                      std::span<uint32_t> expert_rows) const {
  ExpertExchange& exchange = *context.exchange;
  exchange.BeginDispatch(routing.ids, x);
  const bool apart = exchange.overlaps() && has_shared();
  if (apart) ComputeShared(context, x, y);
  ExpertBatch batch;
  SY_RETURN_IF_ERROR(exchange.EndDispatch(&batch));
  for (size_t i = 0; i < expert_rows.size(); ++i) expert_rows[i] += exchange.expert_rows()[i];
  const int64_t num_mlps = std::ssize(mlp_views_) - (apart ? 1 : 0);
  const int64_t num_rows =
      batch.offsets[num_mlps];  // without the shared rows where no shared expert takes them
  if (num_rows > 0) {
    context.ops.GroupedMlp({.x = batch.x.Rows(0, num_rows),
                            .offsets = batch.offsets.first(num_mlps + 1),
                            .mlps = std::span(mlp_views_).first(num_mlps),
                            .y = batch.y.Rows(0, num_rows),
                            .ue8m0_scales = context.ue8m0_scales});
  }
  CombinedRows combined;
  SY_RETURN_IF_ERROR(exchange.Combine(&combined));
  Combine(context, combined.rows, combined.row_of, routing,
          apart ? y : batch.y.Rows(batch.num_routed_rows, x.rows()), y);
  return absl::OkStatus();
}

absl::Status MoeBlock::ForwardFixed(const LayerContext& context, const Routing& routing,
                                    const IndexRange& slice, const TensorView& x,
                                    const TensorView& y) const {
  FixedExchange& exchange = *context.fixed_exchange;
  const auto slots = context.slots.empty()
                         ? context.slots
                         : context.slots.subspan(static_cast<size_t>(slice.begin),
                                                 static_cast<size_t>(slice.size()));
  SY_RETURN_IF_ERROR(exchange.BeginDispatch(routing.ids, x, slots));
  const bool apart = exchange.overlaps() && has_shared();
  if (apart) ComputeShared(context, x, y);
  FixedBatch batch;
  exchange.EndDispatch(&batch);
  const int64_t num_mlps = std::ssize(mlp_views_) - (apart ? 1 : 0);
  if (num_mlps > 0 && batch.x.rows() > 0) {
    if (mlp_table_ == nullptr) {
      mlp_table_ = context.ops.MakeMlpTable(std::span(mlp_views_).first(num_mlps));
    }
    context.ops.RoutedMlp({.x = batch.x,
                           .spans = batch.spans.Rows(0, num_mlps),
                           .table = mlp_table_.get(),
                           .y = batch.y,
                           .max_rows = batch.x.rows(),
                           .likely_rows = batch.likely_rows,
                           .ue8m0_scales = context.ue8m0_scales});
  }
  FixedRows combined;
  SY_RETURN_IF_ERROR(exchange.Combine(&combined));
  Combine(context, combined.rows, combined.row_of, routing, apart ? y : batch.y.Rows(0, x.rows()),
          y);
  return absl::OkStatus();
}

void MoeBlock::ComputeShared(const LayerContext& context, const TensorView& x,
                             const TensorView& y) const {
  if (x.rows() == 0) return;
  const int32_t offsets[] = {0, static_cast<int32_t>(x.rows())};
  context.ops.GroupedMlp({.x = x,
                          .offsets = offsets,
                          .mlps = std::span(mlp_views_).last(1),
                          .y = y,
                          .ue8m0_scales = context.ue8m0_scales});
}

void MoeBlock::Combine(const LayerContext& context, const TensorView& rows,
                       const TensorView& row_of, const Routing& routing, const TensorView& base,
                       const TensorView& y) const {
  if (y.rows() == 0) return;
  context.ops.CombineRows({.rows = rows,
                           .row_of = row_of,
                           .weights = routing.weights,
                           .base = has_shared() ? base : TensorView(),
                           .y = y});
}

}  // namespace switchyard::worker
