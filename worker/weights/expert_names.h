// How checkpoints of a family name the tensors of a mixture of experts.
#ifndef SWITCHYARD_WORKER_WEIGHTS_EXPERT_NAMES_H_
#define SWITCHYARD_WORKER_WEIGHTS_EXPERT_NAMES_H_

#include <string_view>

#include "proto/model.pb.h"

namespace switchyard::worker {

struct ExpertNames {
  std::string_view block = "mlp.";  // behind "model.layers.N."
  std::string_view router = "gate";
  // Behind "experts.N.".
  std::string_view gate = "gate_proj", up = "up_proj", down = "down_proj";
};

inline ExpertNames ExpertNamesOf(const v1::ModelSpec& model) {
  if (model.moe().fused()) return {.router = "router"};
  if (model.model_type() != "mixtral") return {};
  return {.block = "block_sparse_moe.", .gate = "w1", .up = "w3", .down = "w2"};
}

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_EXPERT_NAMES_H_
