#include "coordinator/core/plan/families/deepseek_common.h"

#include <fmt/format.h>

#include "coordinator/core/plan/hf_common.h"

namespace switchyard::core {

v1::MlaSpec ParseMla(FieldReader& config) {
  v1::MlaSpec mla;
  mla.set_q_lora_rank(config.Int("q_lora_rank", kRankRange, 0));
  mla.set_kv_lora_rank(config.Int("kv_lora_rank", kRankRange));
  mla.set_qk_nope_head_dim(config.Int("qk_nope_head_dim", kHeadDimRange));
  mla.set_qk_rope_head_dim(config.Int("qk_rope_head_dim", {2, kHeadDimRange.max}));
  if (mla.qk_rope_head_dim() % 2 != 0) {
    config.faults().Invalid(fmt::format("{}: must be even, it is rotated in pairs",
                                        config.Describe("qk_rope_head_dim")));
  }
  mla.set_v_head_dim(config.Int("v_head_dim", kHeadDimRange));
  mla.set_attention_bias(config.Bool("attention_bias", false));
  if (!config.Bool("rope_interleave", true)) {
    config.faults().Unsupported(
        "rope_interleave = false: not supported, rotary pairs must be interleaved");
  }
  return mla;
}

v1::MoeSpec ParseSharedMoe(FieldReader& config, int32_t num_layers) {
  v1::MoeSpec moe;
  moe.set_num_routed_experts(config.Int("n_routed_experts", kExpertsRange));
  moe.set_num_shared_experts(config.Int("n_shared_experts", {0, 64}, 0));
  moe.set_experts_per_token(config.Int("num_experts_per_tok", {1, 64}));
  moe.set_intermediate_size(config.Int("moe_intermediate_size", kWidthRange));
  moe.set_num_groups(1);
  moe.set_top_groups(1);
  moe.set_routed_scaling_factor(config.Real("routed_scaling_factor", {0, 1e6, true}, 1));
  moe.set_first_moe_layer(config.Int("first_k_dense_replace", {0, num_layers}));
  if (config.Int("moe_layer_freq", {1, kLayersRange.max}, 1) != 1) {
    config.faults().Unsupported(
        fmt::format("{}: not supported, only 1 is", config.Describe("moe_layer_freq")));
  }
  return moe;
}

void ParseExpertGroups(FieldReader& config, v1::MoeSpec& moe) {
  moe.set_num_groups(config.Int("n_group", kExpertsRange, 1));
  moe.set_top_groups(config.Int("topk_group", kExpertsRange, 1));
}

v1::MoeSpec ParseNoauxMoe(FieldReader& config, int32_t num_layers) {
  v1::MoeSpec moe = ParseSharedMoe(config, num_layers);
  ParseExpertGroups(config, moe);
  moe.set_normalize_weights(config.Bool("norm_topk_prob", true));
  config.RequireText("topk_method", "noaux_tc");
  config.RequireText("scoring_func", "sigmoid");
  CheckGate(moe, config);
  return moe;
}

void CheckGate(const v1::MoeSpec& moe, FieldReader& config) {
  const int32_t experts = moe.num_routed_experts();
  const int32_t groups = moe.num_groups();
  if (experts % groups != 0) {
    config.faults().Invalid(
        fmt::format("{}: must divide n_routed_experts = {}", config.Describe("n_group"), experts));
    return;
  }
  const int32_t group_size = experts / groups;
  if (groups > 1 && group_size < 2 && !moe.softmax_scores()) {
    config.faults().Invalid(fmt::format(
        "{}: a group's score is the sum of two experts, n_routed_experts = {} leaves it {}",
        config.Describe("n_group"), experts, group_size));
  }
  if (moe.top_groups() > groups) {
    config.faults().Invalid(
        fmt::format("{}: must be at most n_group = {}", config.Describe("topk_group"), groups));
    return;
  }
  const int32_t kept = groups > 1 ? moe.top_groups() * group_size : experts;
  if (moe.experts_per_token() > kept) {
    config.faults().Invalid(fmt::format("{}: must be at most {}, the experts of {}",
                                        config.Describe("num_experts_per_tok"), kept,
                                        groups > 1 ? "the topk_group kept groups" : "the layer"));
  }
}

}  // namespace switchyard::core
