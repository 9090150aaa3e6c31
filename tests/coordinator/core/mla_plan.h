// A plan of a small model with latents, for what its prompts cost.
#ifndef SWITCHYARD_TESTS_COORDINATOR_CORE_MLA_PLAN_H_
#define SWITCHYARD_TESTS_COORDINATOR_CORE_MLA_PLAN_H_

#include "proto/cluster.pb.h"

namespace switchyard::core {

// Keys and values of so many tokens of prompts in progress are kept expanded.
inline v1::ShardPlan MlaPlan(int32_t expanded_tokens) {
  v1::ShardPlan plan;
  v1::ModelSpec* model = plan.mutable_model();
  model->set_hidden_size(256);
  model->set_num_layers(4);
  model->set_num_heads(4);
  model->set_intermediate_size(640);
  model->mutable_mla()->set_kv_lora_rank(128);
  model->mutable_mla()->set_qk_nope_head_dim(64);
  model->mutable_mla()->set_qk_rope_head_dim(32);
  model->mutable_mla()->set_v_head_dim(64);
  plan.mutable_kv()->set_expanded_tokens(expanded_tokens);
  return plan;
}

}  // namespace switchyard::core

#endif  // SWITCHYARD_TESTS_COORDINATOR_CORE_MLA_PLAN_H_
