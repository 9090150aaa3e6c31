#include "coordinator/core/plan/hf_quantization.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/gguf.h"
#include "base/json.h"

namespace switchyard::core {
namespace {

constexpr int kFp8Block = 128;
constexpr int32_t kWholeRow = -1;  // how group_size says it

v1::BlockQuantization FullBlocks(FieldReader& quantization, std::string_view field) {
  const Json* block = quantization.Find(field);
  if (block == nullptr || *block != Json::array({kFp8Block, kFp8Block})) {
    quantization.faults().Unsupported(fmt::format(
        "{}: not supported, only [{}, {}] is", quantization.Describe(field), kFp8Block, kFp8Block));
  }
  v1::BlockQuantization fp8;
  fp8.set_block_rows(kFp8Block);
  fp8.set_block_cols(kFp8Block);
  return fp8;
}

v1::BlockQuantization ParseFp8(FieldReader& quantization) {
  quantization.RequireText("fmt", "e4m3");
  quantization.RequireText("activation_scheme", "dynamic");
  v1::BlockQuantization fp8 = FullBlocks(quantization, "weight_block_size");
  const std::string scale_format = quantization.Text("scale_fmt", "float");
  if (scale_format != "float" && scale_format != "ue8m0") {
    quantization.faults().Unsupported(fmt::format(
        "{}: not supported, only \"float\" and \"ue8m0\" are", quantization.Describe("scale_fmt")));
  }
  fp8.set_ue8m0_activation_scales(scale_format == "ue8m0");
  return fp8;
}

// Modules that stay unquantised must be those that no family quantises: sizes are planned by the
// family.
void CheckPlainModules(FieldReader& quantization) {
  const Json* modules = quantization.Find("modules_to_not_convert");
  if (modules == nullptr) return;
  constexpr std::array<std::string_view, 7> kPlain = {
      "lm_head", "embed_tokens", "model.embed_tokens", "gate", "mlp.gate", "norm", "model.norm"};
  const bool known =
      modules->is_array() && std::ranges::all_of(*modules, [&](const Json& module) {
        return module.is_string() &&
               std::ranges::find(kPlain, module.get_ref<const std::string&>()) != kPlain.end();
      });
  if (!known) {
    quantization.faults().Unsupported(fmt::format("{}: not supported, only {} may be named",
                                                  quantization.Describe("modules_to_not_convert"),
                                                  fmt::join(kPlain, ", ")));
  }
}

v1::GroupQuantization ParseGroups(FieldReader& quantization) {
  v1::GroupQuantization groups;
  if (quantization.Int("bits", {1, 32}) != 4 && quantization.Has("bits")) {
    quantization.faults().Unsupported(
        fmt::format("{}: not supported, only 4 is", quantization.Describe("bits")));
  }
  const int32_t columns = quantization.Int("group_size", {kWholeRow, 1 << 20});
  if (columns != kWholeRow && columns != 32 && columns != 64 && columns != 128) {
    quantization.faults().Unsupported(
        fmt::format("{}: not supported, only 32, 64, 128 and -1 (a whole row) are",
                    quantization.Describe("group_size")));
  }
  groups.set_columns(std::max(columns, 0));
  CheckPlainModules(quantization);
  return groups;
}

v1::GroupQuantization ParseAwq(FieldReader& quantization) {
  v1::GroupQuantization groups = ParseGroups(quantization);
  groups.set_layout(v1::GroupQuantization::LAYOUT_AWQ);
  quantization.RequireText("version", "gemm");
  if (!quantization.Bool("zero_point", true)) {
    quantization.faults().Unsupported(
        fmt::format("{}: not supported, only true is", quantization.Describe("zero_point")));
  }
  return groups;
}

// `desc_act` says that columns may be in another order; whether they are, their `g_idx` says.
v1::GroupQuantization ParseGptq(FieldReader& quantization) {
  v1::GroupQuantization groups = ParseGroups(quantization);
  groups.set_layout(v1::GroupQuantization::LAYOUT_GPTQ);
  const std::string format = quantization.Text("checkpoint_format", "gptq");
  if (format != "gptq" && format != "gptq_v2") {
    quantization.faults().Unsupported(
        fmt::format("{}: not supported, only \"gptq\" and \"gptq_v2\" are",
                    quantization.Describe("checkpoint_format")));
  }
  groups.set_zeros_less_one(format == "gptq");
  return groups;
}

// Whether an entry of `ignore` names what no family quantises: "lm_head",
// "model.layers.3.mlp.gate", "re:.*mlp.gate$".
bool NamesPlainModule(const Json& module) {
  constexpr std::array<std::string_view, 5> kPlain = {"lm_head", "embed_tokens", "gate", "router",
                                                      "norm"};
  if (!module.is_string()) return false;
  std::string_view name = module.get_ref<const std::string&>();
  if (name.ends_with('$')) name.remove_suffix(1);
  const size_t begin = name.find_last_of(".*:");
  return std::ranges::find(kPlain, begin == name.npos ? name : name.substr(begin + 1)) !=
         kPlain.end();
}

// How the weights of the one group are quantised.
v1::BlockQuantization ParseCompressedWeights(FieldReader& weights) {
  weights.RequireText("type", "float");
  if (weights.Int("num_bits", {1, 64}) != 8) {
    weights.faults().Unsupported(
        fmt::format("{}: not supported, only 8 is", weights.Describe("num_bits")));
  }
  if (!weights.Bool("symmetric", true)) {
    weights.faults().Unsupported(
        fmt::format("{}: not supported, only true is", weights.Describe("symmetric")));
  }
  v1::BlockQuantization fp8;
  const std::string strategy = weights.Text("strategy", "tensor");
  if (strategy == "channel") {
    fp8.set_block_rows(1);
  } else if (strategy == "block") {
    fp8 = FullBlocks(weights, "block_structure");
  } else if (strategy != "tensor") {
    weights.faults().Unsupported(fmt::format(
        "{}: not supported, only \"tensor\", \"channel\" and \"block\" are of 8-bit floats",
        weights.Describe("strategy")));
  }
  return fp8;
}

// compressed-tensors, as llm-compressor writes it. How inputs and the cache would be quantised is
// not looked at: that is `--compute`, and the cache's type is ours.
v1::BlockQuantization ParseCompressed(FieldReader& quantization) {
  quantization.RequireText("format", "float-quantized");
  const Json* const ignored = quantization.Find("ignore");
  if (ignored != nullptr &&
      (!ignored->is_array() || !std::ranges::all_of(*ignored, NamesPlainModule))) {
    quantization.faults().Unsupported(
        fmt::format("{}: not supported, only heads, embeddings, routers and norms may be named",
                    quantization.Describe("ignore")));
  }
  const Json* const groups = quantization.Find("config_groups");
  const bool one = groups != nullptr && groups->is_object() && groups->size() == 1;
  const Json* const group = one ? &groups->front() : nullptr;
  if (group == nullptr || !group->is_object() || !group->contains("weights") ||
      !group->at("weights").is_object() ||
      group->value("targets", Json()) != Json::array({"Linear"})) {
    quantization.faults().Unsupported(
        fmt::format("{}: not supported, only one group of weights with targets [\"Linear\"] is",
                    quantization.Describe("config_groups")));
    return {};
  }
  FieldReader weights(group->at("weights"), "quantization_config.config_groups.weights.",
                      quantization.faults());
  return ParseCompressedWeights(weights);
}

// Of a GGUF file, by gguf_config; config.json files do not have it.
void ParseGguf(FieldReader& quantization, v1::ModelSpec& spec) {
  spec.set_gguf_type(quantization.Text("type", ""));
  if (FindGgufType(spec.gguf_type()) == nullptr) {
    quantization.faults().Unsupported(
        fmt::format("{}: is no type of GGUF files", quantization.Describe("type")));
  }
}

}  // namespace

void ParseQuantization(FieldReader& config, bool may_be_mxfp4, v1::ModelSpec& spec) {
  const Json* object = config.Find("quantization_config");
  if (object == nullptr) return;
  if (!object->is_object()) {
    config.faults().Invalid(
        fmt::format("{}: must be an object or null", config.Describe("quantization_config")));
    return;
  }
  FieldReader quantization(*object, "quantization_config.", config.faults());
  const std::string method = quantization.Text("quant_method", "");
  if (may_be_mxfp4 && method == "mxfp4") {
    spec.mutable_moe()->set_mxfp4(true);
  } else if (method == "fp8") {
    *spec.mutable_fp8() = ParseFp8(quantization);
  } else if (method == "compressed-tensors") {
    *spec.mutable_fp8() = ParseCompressed(quantization);
  } else if (method == "awq") {
    *spec.mutable_groups() = ParseAwq(quantization);
  } else if (method == "gptq") {
    *spec.mutable_groups() = ParseGptq(quantization);
  } else if (method == "gguf") {
    ParseGguf(quantization, spec);
  } else {
    config.faults().Unsupported(
        fmt::format("{}: unknown quantisation, only \"fp8\" in blocks, \"compressed-tensors\" of "
                    "8-bit floats, \"awq\", \"gptq\" and unquantised weights are read",
                    quantization.Describe("quant_method")));
  }
}

}  // namespace switchyard::core
