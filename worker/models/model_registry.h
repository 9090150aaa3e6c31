// model_type -> Model. A new architecture is a file in this folder and a line in model_registry.cc.
#ifndef SWITCHYARD_WORKER_MODELS_MODEL_REGISTRY_H_
#define SWITCHYARD_WORKER_MODELS_MODEL_REGISTRY_H_

#include <memory>

#include "worker/models/model.h"

namespace switchyard::worker {

// UNIMPLEMENTED for a type that is not in the registry; the message lists those that are.
absl::StatusOr<std::unique_ptr<Model>> MakeModel(const v1::ShardPlan& plan,
                                                 const ParallelContext& parallel,
                                                 kernels::Device& device);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_MODELS_MODEL_REGISTRY_H_
