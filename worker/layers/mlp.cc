#include "worker/layers/mlp.h"

namespace switchyard::worker {

void DenseMlp::Load(WeightLoader& loader, const LayerContext& context, const std::string& prefix,
                    int64_t hidden_size, int64_t intermediate_size) {
  const int64_t width = intermediate_size / context.parallel.tensor_parallel();
  const int64_t begin = width * context.parallel.tensor_rank();
  MatrixSlice gate{.tensor = prefix + "gate_proj.weight",
                   .rows = intermediate_size,
                   .cols = hidden_size,
                   .row_begin = begin,
                   .row_end = begin + width};
  MatrixSlice up = gate;
  up.tensor = prefix + "up_proj.weight";
  loader.GateUp(gate, up, &gate_up_);
  down_.Load(loader, context, prefix + "down_proj.weight", hidden_size, intermediate_size,
             /*bias=*/"");
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
