// Qwen3 with experts: 30B-A3B, 235B-A22B (MODEL_SPECS 6).
#include <fmt/format.h>

#include "coordinator/core/plan/families/families.h"
#include "coordinator/core/plan/hf_common.h"

namespace switchyard::core {
namespace {

// Layers with a dense MLP among the others, which no published model has.
void RefuseDenseLayers(FieldReader& config) {
  if (config.Int("decoder_sparse_step", {1, kLayersRange.max}, 1) != 1) {
    config.faults().Unsupported(
        fmt::format("{}: not supported, only 1 is", config.Describe("decoder_sparse_step")));
  }
  const Json* dense = config.Find("mlp_only_layers");
  if (dense != nullptr && *dense != Json::array()) {
    config.faults().Unsupported(
        fmt::format("{}: not supported, only [] is", config.Describe("mlp_only_layers")));
  }
}

}  // namespace

v1::ModelSpec ParseQwen3Moe(FieldReader& config) {
  v1::ModelSpec spec;
  ParseDecoder(config, spec);
  ParseRope(config, /*default_theta=*/1e6, spec);
  *spec.mutable_gqa() = ParseGqa(config, spec);
  const bool bias = config.Bool("attention_bias", false);
  spec.mutable_gqa()->set_qkv_bias(bias);
  spec.mutable_gqa()->set_output_bias(bias);
  spec.mutable_gqa()->set_qk_norm(true);
  if (config.Bool("use_sliding_window", false)) {
    config.faults().Unsupported("use_sliding_window = true: not supported, only false is");
  }
  // transformers 5 saves it under the other name.
  const char* experts = config.Has("num_local_experts") ? "num_local_experts" : "num_experts";
  *spec.mutable_moe() = ParseSoftmaxMoe(config, config.Int(experts, kExpertsRange),
                                        config.Bool("norm_topk_prob", false));
  spec.mutable_moe()->set_intermediate_size(config.Int("moe_intermediate_size", kWidthRange));
  RefuseDenseLayers(config);
  return spec;
}

}  // namespace switchyard::core
