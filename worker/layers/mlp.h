// The dense gated block: gate and up by rows over the tensor group, down by columns.
#ifndef SWITCHYARD_WORKER_LAYERS_MLP_H_
#define SWITCHYARD_WORKER_LAYERS_MLP_H_

#include <memory>
#include <string>

#include "proto/model.pb.h"
#include "worker/layers/linear.h"

namespace switchyard::worker {

// How a model's MLPs and experts join their halves.
kernels::Gating GatingOf(const v1::ModelSpec& model);

class DenseMlp {
 public:
  // `prefix` is up to and with "mlp.".
  void Load(WeightLoader& loader, const LayerContext& context, const std::string& prefix,
            const v1::ModelSpec& model);

  // Of Forward's x; known when weights are there.
  InputForms input_forms() const;

  // x: [T, H]; y: f32 [T, H], the same on every rank of the tensor group.
  absl::Status Forward(const LayerContext& context, const NormedRows& x,
                       const kernels::TensorView& y) const;

 private:
  std::unique_ptr<kernels::PackedLinear> gate_up_;
  RowParallelLinear down_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LAYERS_MLP_H_
