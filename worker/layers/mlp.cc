#include "worker/layers/mlp.h"

namespace switchyard::worker {

kernels::Gating GatingOf(const v1::ModelSpec& model) {
  switch (model.gate_function()) {
    case v1::GATE_FUNCTION_GELU_TANH:
      return {.function = kernels::GateFunction::kGeluTanh};
    case v1::GATE_FUNCTION_CLAMPED_SWIGLU:
      return {.function = kernels::GateFunction::kClampedSwiglu,
              .limit = static_cast<float>(model.gate_limit())};
    default:
      return {};
  }
}

void DenseMlp::Load(WeightLoader& loader, const LayerContext& context, const std::string& prefix,
                    const v1::ModelSpec& model) {
  const int64_t all = model.intermediate_size();
  const int64_t width = all / context.parallel.tensor_parallel();
  const int64_t begin = width * context.parallel.tensor_rank();
  const auto bias = [&](const std::string& name) {
    return model.mlp_bias() ? prefix + name + ".bias" : std::string();
  };
  const auto half = [&](const std::string& name) {
    return MatrixSlice{.tensor = prefix + name + ".weight",
                       .rows = all,
                       .cols = model.hidden_size(),
                       .row_begin = begin,
                       .row_end = begin + width,
                       .bias = bias(name),
                       .gating = GatingOf(model)};
  };
  loader.GateUp(half("gate_proj"), half("up_proj"), &gate_up_);
  down_.Load(loader, context, prefix + "down_proj.weight", model.hidden_size(), all,
             bias("down_proj"));
}

InputForms DenseMlp::input_forms() const {
  const bool quantised = gate_up_->takes_quantised();
  return {.rows = !quantised, .quantised = quantised};
}

absl::Status DenseMlp::Forward(const LayerContext& context, const NormedRows& x,
                               const kernels::TensorView& y) const {
  ActivationArena::Scope scope(context.arena);
  const kernels::TensorView inner = context.Take({x.num_rows(), gate_up_->n()});
  context.ops.GateUp({.x = x.rows,
                      .quantised = x.quantised,
                      .weight = gate_up_.get(),
                      .y = inner,
                      .ue8m0_scales = context.ue8m0_scales});
  return down_.Forward(context, inner, y);
}

}  // namespace switchyard::worker
