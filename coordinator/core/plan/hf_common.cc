#include "coordinator/core/plan/hf_common.h"

#include <fmt/format.h>

#include <string>

#include "base/json.h"

namespace switchyard::core {
namespace {

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

}  // namespace

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

void ParseDecoder(FieldReader& config, v1::ModelSpec& spec) {
  spec.set_vocab_size(config.Int("vocab_size", kVocabRange));
  spec.set_hidden_size(config.Int("hidden_size", kHiddenRange));
  spec.set_num_layers(config.Int("num_hidden_layers", kLayersRange));
  spec.set_num_heads(config.Int("num_attention_heads", kHeadsRange));
  spec.set_intermediate_size(config.Int("intermediate_size", kWidthRange));
  spec.set_rms_norm_eps(config.Real("rms_norm_eps", {0, 1, true}));
  spec.set_max_position_embeddings(config.Int("max_position_embeddings", kContextRange));
  spec.set_tie_word_embeddings(config.Bool("tie_word_embeddings", false));
  config.RequireText("hidden_act", "silu");
  ParseQuantization(config, spec);
  spec.set_dtype(ParseDtype(config));
}

}  // namespace switchyard::core
