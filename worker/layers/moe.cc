#include "worker/layers/moe.h"

#include <fmt/format.h>

#include "worker/layers/mlp.h"
#include "worker/weights/fused_experts.h"

namespace switchyard::worker {

using kernels::DType;
using kernels::TensorView;

void MoeBlock::Load(WeightLoader& loader, const LayerContext& context, const std::string& prefix,
                    const v1::ModelSpec& model) {
  spec_ = model.moe();
  const int64_t hidden = model.hidden_size();
  const ExpertNames names = ExpertNamesOf(model);
  const std::string router = prefix + std::string(names.router);
  const int64_t experts = spec_.num_routed_experts();
  // The router decides in FP32 whatever the linears do (MODEL_SPECS 1.4).
  loader.Values({.tensor = router + ".weight",
                 .rows = experts,
                 .cols = hidden,
                 .bias = spec_.router_bias() ? router + ".bias" : ""},
                [this, &loader, experts, hidden](const float* values, std::span<const float> bias) {
                  kernels::LinearSource source{
                      .name = "router",
                      .weight = TensorView(values, DType::kF32, {experts, hidden}),
                      .compute = kernels::Compute::kF32};
                  if (!bias.empty()) source.bias = TensorView(bias.data(), DType::kF32, {experts});
                  gate_ = loader.Pack(source);
                });
  if (!spec_.softmax_scores()) {
    loader.Vector(prefix + "gate.e_score_correction_bias", spec_.num_routed_experts(),
                  &correction_bias_);
  }
  const auto add = [&] {
    mlps_.push_back(std::make_unique<kernels::MlpWeights>());
    mlp_views_.push_back(mlps_.back().get());
    return mlps_.back().get();
  };
  MlpPart part{.hidden_size = hidden,
               .width = spec_.intermediate_size(),
               .one_rank = true,
               .bias = spec_.expert_bias(),
               .gating = GatingOf(model)};
  for (int32_t expert : context.parallel.local_experts()) {
    if (spec_.fused()) {
      LoadFusedExpert(loader,
                      {.prefix = prefix + "experts.",
                       .count = experts,
                       .hidden = hidden,
                       .width = spec_.intermediate_size(),
                       .mxfp4 = spec_.mxfp4(),
                       .gating = part.gating},
                      expert, add());
    } else {
      part.prefix = fmt::format("{}experts.{}.", prefix, expert);
      LoadMlp(loader, names, part, add());
    }
  }
  if (!has_shared()) return;
  part.prefix = prefix + "shared_experts.";
  part.width *= spec_.num_shared_experts();
  part.one_rank = false;
  part.bias = false;
  LoadMlp(loader, names, part, add());
}

void MoeBlock::LoadMlp(WeightLoader& loader, const ExpertNames& names, const MlpPart& part,
                       kernels::MlpWeights* mlp) {
  const auto weight = [&](std::string_view name, int64_t rows, int64_t cols) {
    return MatrixSlice{.tensor = fmt::format("{}{}.weight", part.prefix, name),
                       .rows = rows,
                       .cols = cols,
                       .bias = part.bias ? fmt::format("{}{}.bias", part.prefix, name) : "",
                       .gating = part.gating,
                       .one_rank = part.one_rank};
  };
  loader.GateUp(weight(names.gate, part.width, part.hidden_size),
                weight(names.up, part.width, part.hidden_size), &mlp->gate_up);
  loader.Linear(weight(names.down, part.hidden_size, part.width), &mlp->down);
}

Routing MoeBlock::TakeRouting(const LayerContext& context, const v1::MoeSpec& spec,
                              int64_t tokens) {
  const int64_t slice = context.parallel.TokenSlice(tokens).size();
  return {.ids = context.arena.Take(DType::kI32, {slice, spec.experts_per_token()}),
          .weights = context.arena.Take(DType::kF32, {slice, spec.experts_per_token()})};
}

absl::Status MoeBlock::Begin(const LayerContext& context, int layer, const MoePass& pass) const {
  const IndexRange slice = context.parallel.TokenSlice(pass.x.rows());
  const TensorView x = pass.x.Rows(slice.begin, slice.size());
  if (x.rows() > 0) Route(context, layer, x, pass.routing);
  const auto slots = pass.slots.empty() ? pass.slots
                                        : pass.slots.subspan(static_cast<size_t>(slice.begin),
                                                             static_cast<size_t>(slice.size()));
  SY_RETURN_IF_ERROR(pass.exchange->BeginDispatch(pass.routing.ids, x, slots));
  if (IsApart(pass)) ComputeShared(context, x, pass.y.Rows(slice.begin, slice.size()));
  return absl::OkStatus();
}

void MoeBlock::Route(const LayerContext& context, int layer, const TensorView& x,
                     const Routing& routing) const {
  ActivationArena::Scope scope(context.arena);
  const TensorView logits = context.arena.Take(DType::kF32, {x.rows(), gate_->n()});
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

absl::Status MoeBlock::Compute(const LayerContext& context, const MoePass& pass) const {
  ExpertBatch batch;
  SY_RETURN_IF_ERROR(pass.exchange->EndDispatch(&batch));
  const bool apart = IsApart(pass);
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
  return absl::OkStatus();
}

absl::Status MoeBlock::Finish(const LayerContext& context, const MoePass& pass) const {
  const IndexRange slice = context.parallel.TokenSlice(pass.x.rows());
  const TensorView y = pass.y.Rows(slice.begin, slice.size());
  CombinedRows combined;
  SY_RETURN_IF_ERROR(pass.exchange->EndCombine(&combined));
  if (y.rows() > 0) {
    context.ops.CombineRows(
        {.rows = combined.rows,
         .row_of = combined.row_of,
         .weights = pass.routing.weights,
         .base = has_shared() ? (IsApart(pass) ? y : combined.shared) : TensorView(),
         .y = y});
  }
  const int ranks = context.parallel.tensor_parallel();
  if (ranks == 1 || pass.x.rows() == 0) return absl::OkStatus();
  const int64_t row_bytes = pass.y.RowElements() * SizeOf(pass.y.dtype);
  std::vector<int64_t> slice_bytes(ranks);
  for (int rank = 0; rank < ranks; ++rank) {
    slice_bytes[rank] = context.parallel.TokenSliceOf(pass.x.rows(), rank).size() * row_bytes;
  }
  return context.tensor_group.AllGatherV(y.data, pass.y.data, slice_bytes);
}

}  // namespace switchyard::worker
