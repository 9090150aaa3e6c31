#include "coordinator/core/plan/hf_config.h"

#include <fmt/ranges.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "coordinator/core/plan/field_reader.h"

namespace switchyard::core {
namespace {

// Far above any published model, and low enough that products of two of these fit 63 bits.
constexpr IntRange kVocabRange{1, 1 << 24};
constexpr IntRange kHiddenRange{1, 1 << 20};
constexpr IntRange kWidthRange{1, 1 << 22};
constexpr IntRange kLayersRange{1, 4096};
constexpr IntRange kHeadsRange{1, 65536};
constexpr IntRange kHeadDimRange{1, 4096};
constexpr IntRange kRankRange{1, 1 << 16};
constexpr IntRange kExpertsRange{1, 16384};
constexpr IntRange kContextRange{1, 1 << 24};
constexpr double kMaxParameters = 1e15;
constexpr int kFp8Block = 128;

// The object under `name`, or nullptr if absent, null or (a fault) something else.
const Json* FindObject(FieldReader& config, std::string_view name) {
  const Json* value = config.Find(name);
  if (value == nullptr || value->is_object()) return value;
  config.faults().Invalid(fmt::format("{}: must be an object or null", config.Describe(name)));
  return nullptr;
}

v1::YarnScaling ParseYarn(FieldReader& rope, int32_t max_position_embeddings) {
  v1::YarnScaling yarn;
  yarn.set_factor(rope.Real("factor", {1, 1e6}));
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

// `rope_theta` and `rope_scaling` as published; `rope_parameters`, which holds both, as
// transformers 5 saves them. The kind of scaling is spelled `rope_type` or, in older files, `type`.
v1::RopeSpec ParseRope(FieldReader& config, int32_t max_position_embeddings) {
  constexpr RealRange kThetaRange{1, 1e12, true};
  v1::RopeSpec spec;
  const Json* parameters = FindObject(config, "rope_parameters");
  const Json* scaling = parameters != nullptr ? parameters : FindObject(config, "rope_scaling");
  const char* name = parameters != nullptr ? "rope_parameters." : "rope_scaling.";
  if (scaling == nullptr) {
    spec.set_theta(config.Real("rope_theta", kThetaRange));
    return spec;
  }
  FieldReader rope(*scaling, name, config.faults());
  spec.set_theta(rope.Has("rope_theta") ? rope.Real("rope_theta", kThetaRange)
                                        : config.Real("rope_theta", kThetaRange));
  const char* kind_field = rope.Has("rope_type") ? "rope_type" : "type";
  const std::string kind = rope.Text(kind_field, parameters != nullptr ? "default" : "");
  if (kind == "yarn") {
    *spec.mutable_yarn() = ParseYarn(rope, max_position_embeddings);
  } else if (kind.empty()) {
    config.faults().Invalid("rope_scaling.rope_type is missing: must be \"yarn\" or \"default\"");
  } else if (kind != "default") {
    config.faults().Unsupported(fmt::format("{}: not supported, only \"yarn\" and \"default\" are",
                                            rope.Describe(kind_field)));
  }
  return spec;
}

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

// What the gate's selection needs to be possible at all.
void CheckGate(const v1::MoeSpec& moe, FieldReader& config) {
  const int32_t experts = moe.num_routed_experts();
  const int32_t groups = moe.num_groups();
  if (experts % groups != 0) {
    config.faults().Invalid(
        fmt::format("{}: must divide n_routed_experts = {}", config.Describe("n_group"), experts));
    return;
  }
  const int32_t group_size = experts / groups;
  if (groups > 1 && group_size < 2) {
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

v1::MoeSpec ParseMoe(FieldReader& config, int32_t num_layers) {
  v1::MoeSpec moe;
  moe.set_num_routed_experts(config.Int("n_routed_experts", kExpertsRange));
  moe.set_num_shared_experts(config.Int("n_shared_experts", {0, 64}, 0));
  moe.set_experts_per_token(config.Int("num_experts_per_tok", {1, 64}));
  moe.set_intermediate_size(config.Int("moe_intermediate_size", kWidthRange));
  moe.set_num_groups(config.Int("n_group", kExpertsRange, 1));
  moe.set_top_groups(config.Int("topk_group", kExpertsRange, 1));
  moe.set_normalize_weights(config.Bool("norm_topk_prob", true));
  moe.set_routed_scaling_factor(config.Real("routed_scaling_factor", {0, 1e6, true}, 1));
  moe.set_first_moe_layer(config.Int("first_k_dense_replace", {0, num_layers}));
  config.RequireText("topk_method", "noaux_tc");
  config.RequireText("scoring_func", "sigmoid");
  if (config.Int("moe_layer_freq", {1, kLayersRange.max}, 1) != 1) {
    config.faults().Unsupported(
        fmt::format("{}: not supported, only 1 is", config.Describe("moe_layer_freq")));
  }
  CheckGate(moe, config);
  return moe;
}

v1::BlockQuantization ParseFp8(FieldReader& quantization) {
  quantization.RequireText("fmt", "e4m3");
  quantization.RequireText("activation_scheme", "dynamic");
  const Json* block = quantization.Find("weight_block_size");
  if (block == nullptr || *block != Json::array({kFp8Block, kFp8Block})) {
    quantization.faults().Unsupported(fmt::format("{}: not supported, only [{}, {}] is",
                                                  quantization.Describe("weight_block_size"),
                                                  kFp8Block, kFp8Block));
  }
  const std::string scale_format = quantization.Text("scale_fmt", "float");
  if (scale_format != "float" && scale_format != "ue8m0") {
    quantization.faults().Unsupported(fmt::format(
        "{}: not supported, only \"float\" and \"ue8m0\" are", quantization.Describe("scale_fmt")));
  }
  v1::BlockQuantization fp8;
  fp8.set_block_rows(kFp8Block);
  fp8.set_block_cols(kFp8Block);
  fp8.set_ue8m0_activation_scales(scale_format == "ue8m0");
  return fp8;
}

void ParseQuantization(FieldReader& config, v1::ModelSpec& spec) {
  const Json* object = FindObject(config, "quantization_config");
  if (object == nullptr) return;
  FieldReader quantization(*object, "quantization_config.", config.faults());
  if (quantization.Text("quant_method", "") == "fp8") {
    *spec.mutable_fp8() = ParseFp8(quantization);
  } else {
    config.faults().Unsupported(fmt::format(
        "{}: unknown quantisation, only \"fp8\" in blocks and unquantised weights are read",
        quantization.Describe("quant_method")));
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

// Single fields may all be in range and yet describe a model whose sizes overflow.
void CheckTotalSize(const v1::ModelSpec& spec, Faults& faults) {
  const double hidden = spec.hidden_size();
  const double layers = double(spec.num_layers()) + spec.num_mtp_layers();
  const double head_width = double(spec.mla().qk_nope_head_dim()) + spec.mla().qk_rope_head_dim() +
                            spec.mla().v_head_dim();
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

v1::ModelSpec ParseDeepseekV3(FieldReader& config) {
  v1::ModelSpec spec;
  spec.set_vocab_size(config.Int("vocab_size", kVocabRange));
  spec.set_hidden_size(config.Int("hidden_size", kHiddenRange));
  spec.set_num_layers(config.Int("num_hidden_layers", kLayersRange));
  spec.set_num_mtp_layers(config.Int("num_nextn_predict_layers", {0, 16}, 0));
  spec.set_num_heads(config.Int("num_attention_heads", kHeadsRange));
  spec.set_intermediate_size(config.Int("intermediate_size", kWidthRange));
  spec.set_rms_norm_eps(config.Real("rms_norm_eps", {0, 1, true}));
  spec.set_max_position_embeddings(config.Int("max_position_embeddings", kContextRange));
  spec.set_tie_word_embeddings(config.Bool("tie_word_embeddings", false));
  config.RequireText("hidden_act", "silu");
  *spec.mutable_rope() = ParseRope(config, spec.max_position_embeddings());
  *spec.mutable_mla() = ParseMla(config);
  // Null says that there are no experts; a missing field is more likely a broken file, and a fault
  // of ParseMoe.
  if (config.Declares("n_routed_experts") && !config.Has("n_routed_experts")) {
    spec.clear_moe();
  } else {
    *spec.mutable_moe() = ParseMoe(config, spec.num_layers());
  }
  ParseQuantization(config, spec);
  spec.set_dtype(ParseDtype(config));
  return spec;
}

struct ModelType {
  std::string_view name;
  v1::ModelSpec (*parse)(FieldReader& config);
};
constexpr ModelType kModelTypes[] = {{"deepseek_v3", ParseDeepseekV3}};

}  // namespace

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
  for (const ModelType& type : kModelTypes) {
    known.push_back(type.name);
    if (type.name != type_name) continue;
    v1::ModelSpec spec = type.parse(config);
    spec.set_model_type(type_name);
    if (faults.empty()) CheckTotalSize(spec, faults);
    SY_RETURN_IF_ERROR(faults.ToStatus(file_name));
    return spec;
  }
  faults.Unsupported(fmt::format("{}: unknown model type, known: {}", config.Describe("model_type"),
                                 fmt::join(known, ", ")));
  return faults.ToStatus(file_name);
}

}  // namespace switchyard::core
