// Experts of a layer that a checkpoint keeps in one tensor by projection, as gpt-oss does
// (MODEL_SPECS 8): in MXFP4, or plain and transposed. Rows of gate and up alternate.
#ifndef SWITCHYARD_WORKER_WEIGHTS_FUSED_EXPERTS_H_
#define SWITCHYARD_WORKER_WEIGHTS_FUSED_EXPERTS_H_

#include <cstdint>
#include <string>

#include "kernels/args/linear.h"
#include "worker/weights/weight_loader.h"

namespace switchyard::worker {

struct FusedExperts {
  std::string prefix;  // up to and with "experts."
  int64_t count = 0;   // E, of the layer
  int64_t hidden = 0;  // H
  int64_t width = 0;   // I, of one expert
  bool mxfp4 = false;  // as config.json says
  kernels::Gating gating;
};

// Asks for expert `index`, its biases too; Run fills `mlp`. MXFP4 is packed as it is.
// INVALID_ARGUMENT from Run for a scale of MXFP4 that no BF16 holds.
void LoadFusedExpert(WeightLoader& loader, const FusedExperts& experts, int64_t index,
                     kernels::MlpWeights* mlp);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_FUSED_EXPERTS_H_
