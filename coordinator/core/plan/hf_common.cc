#include "coordinator/core/plan/hf_common.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "base/json.h"
#include "coordinator/core/plan/hf_quantization.h"

namespace switchyard::core {
namespace {

constexpr RealRange kFactorRange{1, 1e6};  // of a context extension

v1::YarnScaling ParseYarn(FieldReader& rope, int32_t max_position_embeddings) {
  v1::YarnScaling yarn;
  yarn.set_factor(rope.Real("factor", kFactorRange));
  yarn.set_beta_fast(rope.Real("beta_fast", {0, 1e6, true}, 32));
  yarn.set_beta_slow(rope.Real("beta_slow", {0, 1e6, true}, 1));
  if (yarn.beta_fast() < yarn.beta_slow()) {
    rope.faults().Invalid(
        fmt::format("{} is below beta_slow = {}", rope.Describe("beta_fast"), yarn.beta_slow()));
  }
  yarn.set_mscale(rope.Real("mscale", {0, 1e3}, 0));
  yarn.set_mscale_all_dim(rope.Real("mscale_all_dim", {0, 1e3}, 0));
  yarn.set_original_max_position_embeddings(
      rope.Int("original_max_position_embeddings", kContextRange, max_position_embeddings));
  if (rope.Has("attention_factor"))
    yarn.set_attention_factor(rope.Real("attention_factor", {0, 1e3, true}));
  yarn.set_truncate(rope.Bool("truncate", true));
  return yarn;
}

v1::Llama3Scaling ParseLlama3(FieldReader& rope) {
  v1::Llama3Scaling llama3;
  llama3.set_factor(rope.Real("factor", kFactorRange));
  llama3.set_low_freq_factor(rope.Real("low_freq_factor", {0, 1e6, true}));
  llama3.set_high_freq_factor(rope.Real("high_freq_factor", {0, 1e6, true}));
  if (llama3.low_freq_factor() >= llama3.high_freq_factor()) {
    rope.faults().Invalid(fmt::format("{}: must be below high_freq_factor = {}",
                                      rope.Describe("low_freq_factor"), llama3.high_freq_factor()));
  }
  llama3.set_original_max_position_embeddings(
      rope.Int("original_max_position_embeddings", kContextRange));
  return llama3;
}

// Beyond the context of the training its base grows with the sequence, so that what a key was
// rotated by would depend on when it was cached. Up to there it changes nothing.
void ParseDynamic(FieldReader& rope, v1::ModelSpec& spec) {
  rope.Real("factor", kFactorRange);
  const int32_t context = spec.max_position_embeddings();
  const int32_t trained = rope.Int("original_max_position_embeddings", kContextRange, context);
  spec.set_max_position_embeddings(std::min(context, trained));
}

// Switchyard's own kind: what a GGUF file has worked out (gguf_config).
v1::RopeDivisors ParseDivisors(FieldReader& rope) {
  v1::RopeDivisors parsed;
  const Json* list = rope.Find("divisors");
  const bool valid =
      list != nullptr && list->is_array() && std::ranges::all_of(*list, [](const Json& divisor) {
        return divisor.is_number() && divisor.get<double>() >= 1e-6 && divisor.get<double>() <= 1e6;
      });
  if (!valid) {
    rope.faults().Invalid(fmt::format("{}: must be a list of numbers from 1e-06 to 1e+06",
                                      rope.Describe("divisors")));
    return parsed;
  }
  for (const Json& divisor : *list) parsed.add_divisors(divisor.get<double>());
  return parsed;
}

// Fills `scaled`. `kind_fallback`: what a missing kind means; empty: a fault.
void ParseScaling(FieldReader& rope, std::string_view kind_fallback, v1::ModelSpec& spec,
                  v1::RopeSpec& scaled) {
  const char* kind_field = rope.Has("rope_type") ? "rope_type" : "type";
  const std::string kind = rope.Text(kind_field, kind_fallback);
  if (kind == "yarn") {
    *scaled.mutable_yarn() = ParseYarn(rope, spec.max_position_embeddings());
  } else if (kind == "llama3") {
    *scaled.mutable_llama3() = ParseLlama3(rope);
  } else if (kind == "linear") {
    scaled.set_linear_factor(rope.Real("factor", kFactorRange));
  } else if (kind == "dynamic") {
    ParseDynamic(rope, spec);
  } else if (kind == "divisors") {
    *scaled.mutable_divisors() = ParseDivisors(rope);
  } else if (kind.empty()) {
    rope.faults().Invalid("rope_scaling.rope_type is missing: must be the kind of scaling");
  } else if (kind != "default") {
    rope.faults().Unsupported(
        fmt::format("{}: not supported, only \"default\", \"dynamic\", \"linear\", \"llama3\" "
                    "and \"yarn\" are",
                    rope.Describe(kind_field)));
  }
}

// `torch_dtype`, or `dtype` in files of transformers 5.
v1::DataType ParseDtype(FieldReader& config) {
  const char* field = config.Has("dtype") ? "dtype" : "torch_dtype";
  const std::string name = config.Text(field, "bfloat16");
  if (name == "bfloat16") return v1::DATA_TYPE_BF16;
  if (name == "float16") return v1::DATA_TYPE_F16;
  if (name == "float32") return v1::DATA_TYPE_F32;
  config.faults().Unsupported(
      fmt::format("{}: not supported, only \"bfloat16\", \"float16\" and \"float32\" are",
                  config.Describe(field)));
  return v1::DATA_TYPE_BF16;
}

constexpr RealRange kThetaRange{1, 1e12, true};

}  // namespace

const Json* FindObject(FieldReader& config, std::string_view name) {
  const Json* value = config.Find(name);
  if (value == nullptr || value->is_object()) return value;
  config.faults().Invalid(fmt::format("{}: must be an object or null", config.Describe(name)));
  return nullptr;
}

v1::RopeSpec ParseRopeObject(FieldReader& rope, double default_theta, v1::ModelSpec& spec) {
  v1::RopeSpec parsed;
  parsed.set_theta(rope.Real("rope_theta", kThetaRange, default_theta));
  ParseScaling(rope, "default", spec, parsed);
  return parsed;
}

void ParseRope(FieldReader& config, std::optional<double> default_theta, v1::ModelSpec& spec) {
  const Json* parameters = FindObject(config, "rope_parameters");
  const Json* scaling = parameters != nullptr ? parameters : FindObject(config, "rope_scaling");
  const char* name = parameters != nullptr ? "rope_parameters." : "rope_scaling.";
  if (scaling == nullptr) {
    spec.mutable_rope()->set_theta(config.Real("rope_theta", kThetaRange, default_theta));
    return;
  }
  FieldReader rope(*scaling, name, config.faults());
  spec.mutable_rope()->set_theta(rope.Has("rope_theta")
                                     ? rope.Real("rope_theta", kThetaRange)
                                     : config.Real("rope_theta", kThetaRange, default_theta));
  ParseScaling(rope, parameters != nullptr ? "default" : "", spec, *spec.mutable_rope());
}

v1::GqaSpec ParseGqa(FieldReader& config, const v1::ModelSpec& spec,
                     std::optional<double> partial_rotary_factor) {
  const int32_t heads = spec.num_heads();
  v1::GqaSpec gqa;
  gqa.set_num_kv_heads(config.Int("num_key_value_heads", kHeadsRange, heads));
  if (heads % gqa.num_kv_heads() != 0) {
    config.faults().Invalid(fmt::format("{}: must divide num_attention_heads = {}",
                                        config.Describe("num_key_value_heads"), heads));
  }
  if (!config.Has("head_dim") && spec.hidden_size() % heads != 0) {
    config.faults().Invalid(
        fmt::format("{}: must divide hidden_size = {} where there is no head_dim",
                    config.Describe("num_attention_heads"), spec.hidden_size()));
  }
  gqa.set_head_dim(config.Int("head_dim", {2, kHeadDimRange.max}, spec.hidden_size() / heads));
  if (gqa.head_dim() % 2 != 0 || gqa.head_dim() > kHeadDimRange.max) {
    config.faults().Invalid(
        fmt::format("head_dim = {}: must be even, for it is rotated in pairs, and at most {}",
                    gqa.head_dim(), kHeadDimRange.max));
  }
  const double part =
      config.Real("partial_rotary_factor", {0, 1, true}, partial_rotary_factor.value_or(1));
  if (!partial_rotary_factor.has_value() && part != 1) {
    config.faults().Unsupported(fmt::format("{}: not supported, only whole heads are rotated",
                                            config.Describe("partial_rotary_factor")));
  }
  const auto rotated = static_cast<int32_t>(gqa.head_dim() * part);
  if (part != 1 && (rotated < 2 || rotated % 2 != 0)) {
    config.faults().Invalid(fmt::format(
        "partial_rotary_factor = {}: leaves {} of {} elements of a head to rotate, must be even",
        part, rotated, gqa.head_dim()));
  }
  if (part != 1) gqa.set_rotary_dim(rotated);
  return gqa;
}

v1::MoeSpec ParseSoftmaxMoe(FieldReader& config, int32_t num_experts, bool normalize) {
  v1::MoeSpec moe;
  moe.set_num_routed_experts(num_experts);
  moe.set_experts_per_token(config.Int("num_experts_per_tok", {1, 64}, 2));
  if (moe.experts_per_token() > num_experts) {
    config.faults().Invalid(fmt::format("{}: must be at most {}, the experts of a layer",
                                        config.Describe("num_experts_per_tok"), num_experts));
  }
  moe.set_num_groups(1);
  moe.set_top_groups(1);
  moe.set_normalize_weights(normalize);
  moe.set_routed_scaling_factor(1);
  moe.set_softmax_scores(true);
  return moe;
}

std::vector<bool> ParseLayerTypes(FieldReader& config, std::vector<bool> fallback) {
  const Json* types = config.Find("layer_types");
  if (types == nullptr) return fallback;
  if (!types->is_array() || types->size() != fallback.size()) {
    config.faults().Invalid(fmt::format("{}: must be a list of num_hidden_layers = {} texts",
                                        config.Describe("layer_types"), fallback.size()));
    return fallback;
  }
  std::vector<bool> windowed;
  for (const Json& type : *types) {
    windowed.push_back(type == "sliding_attention");
    if (!windowed.back() && type != "full_attention") {
      config.faults().Unsupported(
          fmt::format("layer_types: {} is not supported, only \"full_attention\" and "
                      "\"sliding_attention\" are",
                      type.dump().substr(0, 60)));
    }
  }
  return windowed;
}

void ParseDecoder(FieldReader& config, v1::ModelSpec& spec, const Dialect& dialect) {
  spec.set_vocab_size(config.Int("vocab_size", kVocabRange));
  spec.set_hidden_size(config.Int("hidden_size", kHiddenRange));
  spec.set_num_layers(config.Int("num_hidden_layers", kLayersRange));
  spec.set_num_heads(config.Int("num_attention_heads", kHeadsRange));
  spec.set_intermediate_size(config.Int("intermediate_size", kWidthRange));
  spec.set_rms_norm_eps(config.Real("rms_norm_eps", {0, 1, true}));
  spec.set_max_position_embeddings(config.Int("max_position_embeddings", kContextRange));
  spec.set_tie_word_embeddings(config.Bool("tie_word_embeddings", false));
  config.RequireText(dialect.activation_field, dialect.activation);
  ParseQuantization(config, dialect.may_be_mxfp4, spec);
  spec.set_dtype(ParseDtype(config));
}

}  // namespace switchyard::core
