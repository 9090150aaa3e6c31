// gpt-oss 20b and 120b (MODEL_SPECS 8).
#include <fmt/format.h>

#include <utility>
#include <vector>

#include "coordinator/core/plan/families/families.h"
#include "coordinator/core/plan/hf_common.h"

namespace switchyard::core {
namespace {

// Windowed and full layers by turns, the first with a window.
void ParseLayers(FieldReader& config, v1::ModelSpec& spec) {
  const int32_t window = config.Int("sliding_window", kContextRange, 128);
  std::vector<bool> windowed;
  for (int layer = 0; layer < spec.num_layers(); ++layer) windowed.push_back(layer % 2 == 0);
  for (const bool has_window : ParseLayerTypes(config, std::move(windowed))) {
    spec.mutable_gqa()->add_windows(has_window ? window : 0);
  }
}

// A softmax over those that are chosen is one over all of them, made to add up to 1.
void ParseMoe(FieldReader& config, v1::ModelSpec& spec) {
  const bool mxfp4 = spec.moe().mxfp4();
  const char* experts = config.Has("num_local_experts") ? "num_local_experts" : "num_experts";
  v1::MoeSpec moe = ParseSoftmaxMoe(config, config.Int(experts, kExpertsRange), /*normalize=*/true);
  moe.set_intermediate_size(spec.intermediate_size());
  moe.set_router_bias(true);
  moe.set_expert_bias(true);
  moe.set_fused(config.Bool("fused_experts", true));  // false: see gguf_config
  moe.set_mxfp4(mxfp4);
  constexpr int32_t kBlock = 32;
  if (mxfp4 && (spec.hidden_size() % kBlock != 0 || moe.intermediate_size() % kBlock != 0)) {
    config.faults().Invalid(
        fmt::format("hidden_size = {}, intermediate_size = {}: MXFP4 needs multiples of {}",
                    spec.hidden_size(), moe.intermediate_size(), kBlock));
  }
  *spec.mutable_moe() = moe;
}

}  // namespace

v1::ModelSpec ParseGptOss(FieldReader& config) {
  v1::ModelSpec spec;
  ParseDecoder(config, spec, {.may_be_mxfp4 = true});
  if (spec.has_fp8()) {
    config.faults().Unsupported(
        "quantization_config.quant_method = \"fp8\": not supported, only \"mxfp4\" is");
  }
  ParseRope(config, /*default_theta=*/150000, spec);
  *spec.mutable_gqa() = ParseGqa(config, spec);
  v1::GqaSpec& gqa = *spec.mutable_gqa();
  const bool bias = config.Bool("attention_bias", true);
  gqa.set_qkv_bias(bias);
  gqa.set_output_bias(bias);
  gqa.set_sinks(true);
  ParseLayers(config, spec);
  ParseMoe(config, spec);
  spec.set_gate_function(v1::GATE_FUNCTION_CLAMPED_SWIGLU);
  spec.set_gate_limit(config.Real("swiglu_limit", {0, 1e6, true}, 7));
  return spec;
}

}  // namespace switchyard::core
