// Gemma 3, text (MODEL_SPECS 8b): alone as `gemma3_text`, and as `text_config` of the models that
// also see.
#include <fmt/format.h>

#include <cmath>
#include <utility>
#include <vector>

#include "coordinator/core/plan/families/families.h"
#include "coordinator/core/plan/hf_common.h"

namespace switchyard::core {
namespace {

// What published files leave out, as transformers fills it in.
const Json& Defaults() {
  static const Json defaults = {{"vocab_size", 262208},      {"hidden_size", 2304},
                                {"intermediate_size", 9216}, {"num_hidden_layers", 26},
                                {"num_attention_heads", 8},  {"num_key_value_heads", 4},
                                {"head_dim", 256},           {"max_position_embeddings", 131072},
                                {"rms_norm_eps", 1e-6},      {"tie_word_embeddings", true}};
  return defaults;
}

// `fields` over `beneath`; a null counts as left out.
Json Over(Json beneath, const Json& fields) {
  for (const auto& [name, value] : fields.items()) {
    if (!value.is_null()) beneath[name] = value;
  }
  return beneath;
}

// Local layers see a window, and have a rotation of their own; scaling is the global ones'.
void ParseLayers(FieldReader& config, v1::ModelSpec& spec) {
  const int32_t window = config.Int("sliding_window", kContextRange, 4096);
  const char* pattern =
      config.Has("sliding_window_pattern") ? "sliding_window_pattern" : "_sliding_window_pattern";
  const int32_t step = config.Int(pattern, {1, kLayersRange.max}, 6);
  std::vector<bool> local;
  for (int layer = 0; layer < spec.num_layers(); ++layer) local.push_back((layer + 1) % step != 0);
  for (const bool is_local : ParseLayerTypes(config, std::move(local))) {
    spec.mutable_gqa()->add_windows(is_local ? window : 0);
  }
}

void ParseRopes(FieldReader& config, v1::ModelSpec& spec) {
  constexpr double kGlobalTheta = 1e6, kLocalTheta = 1e4;
  v1::RopeSpec& local = *spec.mutable_gqa()->mutable_windowed_rope();
  const Json* parameters = FindObject(config, "rope_parameters");
  if (parameters != nullptr && parameters->contains("full_attention")) {
    FieldReader by_type(*parameters, "rope_parameters.", config.faults());
    const auto parse = [&](std::string_view type, double theta) {
      const Json* object = FindObject(by_type, type);
      static const Json kNone = Json::object();
      FieldReader rope(object != nullptr ? *object : kNone,
                       fmt::format("rope_parameters.{}.", type), config.faults());
      return ParseRopeObject(rope, theta, spec);
    };
    *spec.mutable_rope() = parse("full_attention", kGlobalTheta);
    local = parse("sliding_attention", kLocalTheta);
    return;
  }
  ParseRope(config, kGlobalTheta, spec);
  local.set_theta(config.Real("rope_local_base_freq", {1, 1e12, true}, kLocalTheta));
}

void RefuseSoftcaps(FieldReader& config) {
  for (const char* field : {"attn_logit_softcapping", "final_logit_softcapping"}) {
    if (config.Has(field)) {
      config.faults().Unsupported(
          fmt::format("{}: not supported, no published Gemma 3 has it", config.Describe(field)));
    }
  }
}

v1::ModelSpec ParseText(FieldReader& config) {
  v1::ModelSpec spec;
  ParseDecoder(config, spec,
               {.activation_field = "hidden_activation", .activation = "gelu_pytorch_tanh"});
  *spec.mutable_gqa() = ParseGqa(config, spec);
  v1::GqaSpec& gqa = *spec.mutable_gqa();
  const bool bias = config.Bool("attention_bias", false);
  gqa.set_qkv_bias(bias);
  gqa.set_output_bias(bias);
  gqa.set_qk_norm(true);
  gqa.set_score_scale(1 / std::sqrt(config.Real("query_pre_attn_scalar", {0, 1e6, true}, 256)));
  ParseLayers(config, spec);
  ParseRopes(config, spec);
  RefuseSoftcaps(config);
  spec.set_gate_function(v1::GATE_FUNCTION_GELU_TANH);
  spec.set_unit_offset_norms(config.Bool("unit_offset_norms", true));  // false: see gguf_config
  spec.set_output_norms(true);
  spec.set_scaled_embeddings(true);
  return spec;
}

}  // namespace

v1::ModelSpec ParseGemma3Text(FieldReader& config) {
  const Json fields = Over(Defaults(), config.object());
  FieldReader text(fields, "", config.faults());
  return ParseText(text);
}

v1::ModelSpec ParseGemma3(FieldReader& config) {
  const Json* text_config = FindObject(config, "text_config");
  if (text_config == nullptr) {
    config.faults().Invalid("text_config is missing: must be the model that reads text");
    return {};
  }
  // What holds for the whole checkpoint stands outside.
  Json outside = Defaults();
  for (const char* field : {"torch_dtype", "dtype", "quantization_config", "tie_word_embeddings"}) {
    if (const Json* value = config.Find(field)) outside[field] = *value;
  }
  const Json fields = Over(std::move(outside), *text_config);
  FieldReader text(fields, "text_config.", config.faults());
  v1::ModelSpec spec = ParseText(text);
  spec.set_tensor_prefix("language_model.");
  return spec;
}

}  // namespace switchyard::core
