// Weights of RMSNorms.
#ifndef SWITCHYARD_WORKER_LAYERS_NORM_H_
#define SWITCHYARD_WORKER_LAYERS_NORM_H_

#include <string>

#include "proto/model.pb.h"
#include "worker/weights/weight_loader.h"

namespace switchyard::worker {

// `out` is what the op multiplies by: 1 + weight where the model stores it so (MODEL_SPECS 8b), the
// sum formed in FP32.
inline void LoadNorm(WeightLoader& loader, const v1::ModelSpec& model, const std::string& tensor,
                     int64_t width, DeviceTensor* out) {
  loader.Vector(tensor, width, out, model.unit_offset_norms() ? 1.0f : 0.0f);
}

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_LAYERS_NORM_H_
