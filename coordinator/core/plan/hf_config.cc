#include "coordinator/core/plan/hf_config.h"

#include <fmt/ranges.h>

#include <string>
#include <vector>

#include "base/json.h"
#include "coordinator/core/plan/families/families.h"
#include "coordinator/core/plan/field_reader.h"

namespace switchyard::core {
namespace {

constexpr double kMaxParameters = 1e15;

// Single fields may all be in range and yet describe a model whose sizes overflow.
void CheckTotalSize(const v1::ModelSpec& spec, Faults& faults) {
  const double hidden = spec.hidden_size();
  const double layers = double(spec.num_layers()) + spec.num_mtp_layers();
  const double head_width = double(spec.mla().qk_nope_head_dim()) + spec.mla().qk_rope_head_dim() +
                            spec.mla().v_head_dim() + 4.0 * spec.gqa().head_dim();
  const double attention = double(spec.num_heads()) * head_width *
                           (hidden + spec.mla().q_lora_rank() + spec.mla().kv_lora_rank());
  double experts = 0;
  if (spec.has_moe()) {
    experts = (double(spec.moe().num_routed_experts()) + spec.moe().num_shared_experts()) * 3 *
              hidden * spec.moe().intermediate_size();
  }
  const double parameters = 2 * hidden * spec.vocab_size() +
                            layers * (attention + experts + 3 * hidden * spec.intermediate_size());
  if (parameters > kMaxParameters) {
    faults.Invalid(fmt::format(
        "the sizes together describe about {:.1e} parameters, more than {:.0e}: check hidden_size, "
        "num_hidden_layers, n_routed_experts and the intermediate sizes",
        parameters, kMaxParameters));
  }
}

// Divisors of the rope fit the heads that they are of.
void CheckDivisors(const v1::ModelSpec& spec, Faults& faults) {
  if (!spec.rope().has_divisors()) return;
  const int32_t rotated = spec.has_mla()                ? spec.mla().qk_rope_head_dim()
                          : spec.gqa().rotary_dim() > 0 ? spec.gqa().rotary_dim()
                                                        : spec.gqa().head_dim();
  if (spec.rope().divisors().divisors_size() == rotated / 2) return;
  faults.Invalid(
      fmt::format("rope_scaling.divisors: {} of them, must be {}, half of what is rotated",
                  spec.rope().divisors().divisors_size(), rotated / 2));
}

constexpr ModelFamily kFamilies[] = {
    {"deepseek_v2", "DeepSeek-V2, V2.5, V2-Lite", "latent; with and without q_lora_rank, YaRN",
     "dense, then experts by softmax (`greedy`, `group_limited_greedy`) with shared ones",
     ParseDeepseekV2},
    {"deepseek_v3", "DeepSeek-V3, V3.1, R1", "latent; with and without q_lora_rank, biases, YaRN",
     "dense, then experts by `noaux_tc` with shared ones; MTP block", ParseDeepseekV3},
    {"gemma3", "Gemma 3 4B, 12B, 27B (text)", "as gemma3_text", "dense, tanh-GELU", ParseGemma3},
    {"gemma3_text", "Gemma 3 1B",
     "grouped-query with q and k norms; windows with a rope base of their own",
     "dense, tanh-GELU; a norm behind attention and MLP", ParseGemma3Text},
    {"glm4_moe", "GLM-4.5, 4.6, 4.7",
     "grouped-query with q, k, v biases; q and k norms; half of each head rotated",
     "dense, then experts by `noaux_tc` with shared ones; MTP block", ParseGlm4Moe},
    {"gpt_oss", "gpt-oss-20b, gpt-oss-120b", "grouped-query with sinks; biases, windows, YaRN",
     "experts by softmax, clamped SwiGLU with biases; MXFP4, on CPUs widened to BF16", ParseGptOss},
    {"kimi_k2", "Kimi-K2", "latent; YaRN", "dense, then experts by `noaux_tc` with shared ones",
     ParseDeepseekV3},
    {"llama", "Llama 3, R1-Distill-Llama",
     "grouped-query; biases, head_dim, rope scaling llama3, linear, dynamic, yarn", "dense; biases",
     ParseLlama},
    {"mixtral", "Mixtral 8x7B, 8x22B", "grouped-query; window", "experts by softmax", ParseMixtral},
    {"qwen2", "Qwen2, Qwen2.5, QwQ, R1-Distill-Qwen",
     "grouped-query with q, k, v biases; window by layer, YaRN", "dense", ParseQwen2},
    {"qwen3_moe", "Qwen3-30B-A3B, Qwen3-235B-A22B", "grouped-query with q and k norms; YaRN",
     "experts by softmax", ParseQwen3Moe},
};

}  // namespace

std::span<const ModelFamily> KnownFamilies() { return kFamilies; }

absl::StatusOr<v1::ModelSpec> ParseHfConfig(std::string_view config_json,
                                            std::string_view file_name) {
  auto json = ParseJson(config_json);
  if (!json.ok()) return Annotate(json.status(), file_name);
  if (!json->is_object())
    return absl::InvalidArgumentError(fmt::format("{}: must hold a JSON object", file_name));
  Faults faults;
  FieldReader config(*json, "", faults);
  const std::string type_name = config.Text("model_type", "");
  if (type_name.empty()) {
    faults.Invalid(
        fmt::format("{}: must name the model's architecture", config.Describe("model_type")));
    return faults.ToStatus(file_name);
  }
  std::vector<std::string_view> known;
  for (const ModelFamily& family : kFamilies) {
    known.push_back(family.model_type);
    if (family.model_type != type_name) continue;
    v1::ModelSpec spec = family.parse(config);
    spec.set_model_type(type_name);
    if (faults.empty()) CheckTotalSize(spec, faults);
    if (faults.empty()) CheckDivisors(spec, faults);
    SY_RETURN_IF_ERROR(faults.ToStatus(file_name));
    return spec;
  }
  faults.Unsupported(fmt::format("{}: unknown model type, known: {}", config.Describe("model_type"),
                                 fmt::join(known, ", ")));
  return faults.ToStatus(file_name);
}

}  // namespace switchyard::core
