// model_type -> Model. A new architecture is a line in model_registry.cc, and a file in this folder
// where Decoder is not all of it.
#ifndef SWITCHYARD_WORKER_MODELS_MODEL_REGISTRY_H_
#define SWITCHYARD_WORKER_MODELS_MODEL_REGISTRY_H_

#include <memory>
#include <string_view>
#include <vector>

#include "worker/models/model.h"

namespace switchyard::worker {

// Every model_type that MakeModel knows.
std::vector<std::string_view> ServedModelTypes();

// UNIMPLEMENTED for a type that is not in the registry; the message lists those that are.
// INVALID_ARGUMENT where the ranks cannot share the model's heads.
absl::StatusOr<std::unique_ptr<Model>> MakeModel(const v1::ShardPlan& plan,
                                                 const ParallelContext& parallel,
                                                 kernels::Device& device);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_MODELS_MODEL_REGISTRY_H_
