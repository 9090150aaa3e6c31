#include "coordinator/core/plan/hf_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "tests/coordinator/core/deepseek_v3_config.h"

namespace switchyard::core {
namespace {

using ::testing::HasSubstr;

// The published configuration with some fields replaced; a field set to kRemoved is left out.
const Json kRemoved = "<removed>";

std::string ConfigWith(const Json& changes) {
  Json config = *ParseJson(kDeepseekV3Config);
  for (const auto& [name, value] : changes.items()) {
    if (value == kRemoved) {
      config.erase(name);
    } else {
      config[name] = value;
    }
  }
  return config.dump();
}

v1::ModelSpec SpecWith(const Json& changes) {
  auto spec = ParseHfConfig(ConfigWith(changes));
  EXPECT_TRUE(spec.ok()) << spec.status();
  return spec.value_or(v1::ModelSpec());
}

TEST(HfConfig, ReadsThePublishedDeepseekV3) {
  const v1::ModelSpec spec = SpecWith(Json::object());
  EXPECT_EQ(spec.model_type(), "deepseek_v3");
  EXPECT_EQ(spec.vocab_size(), 129280);
  EXPECT_EQ(spec.hidden_size(), 7168);
  EXPECT_EQ(spec.num_layers(), 61);
  EXPECT_EQ(spec.num_mtp_layers(), 1);
  EXPECT_EQ(spec.num_heads(), 128);
  EXPECT_EQ(spec.intermediate_size(), 18432);
  EXPECT_EQ(spec.rms_norm_eps(), 1e-6);
  EXPECT_EQ(spec.max_position_embeddings(), 163840);
  EXPECT_FALSE(spec.tie_word_embeddings());
  EXPECT_EQ(spec.dtype(), v1::DATA_TYPE_BF16);

  EXPECT_EQ(spec.mla().q_lora_rank(), 1536);
  EXPECT_EQ(spec.mla().kv_lora_rank(), 512);
  EXPECT_EQ(spec.mla().qk_nope_head_dim(), 128);
  EXPECT_EQ(spec.mla().qk_rope_head_dim(), 64);
  EXPECT_EQ(spec.mla().v_head_dim(), 128);
  EXPECT_FALSE(spec.mla().attention_bias());

  EXPECT_EQ(spec.rope().theta(), 10000);
  const v1::YarnScaling& yarn = spec.rope().yarn();
  EXPECT_EQ(yarn.factor(), 40);
  EXPECT_EQ(yarn.original_max_position_embeddings(), 4096);
  EXPECT_EQ(yarn.beta_fast(), 32);
  EXPECT_EQ(yarn.beta_slow(), 1);
  EXPECT_EQ(yarn.mscale(), 1);
  EXPECT_EQ(yarn.mscale_all_dim(), 1);
  EXPECT_FALSE(yarn.has_attention_factor());
  EXPECT_TRUE(yarn.truncate());

  ASSERT_TRUE(spec.has_moe());
  EXPECT_EQ(spec.moe().num_routed_experts(), 256);
  EXPECT_EQ(spec.moe().num_shared_experts(), 1);
  EXPECT_EQ(spec.moe().experts_per_token(), 8);
  EXPECT_EQ(spec.moe().intermediate_size(), 2048);
  EXPECT_EQ(spec.moe().num_groups(), 8);
  EXPECT_EQ(spec.moe().top_groups(), 4);
  EXPECT_TRUE(spec.moe().normalize_weights());
  EXPECT_EQ(spec.moe().routed_scaling_factor(), 2.5);
  EXPECT_EQ(spec.moe().first_moe_layer(), 3);

  ASSERT_TRUE(spec.has_fp8());
  EXPECT_EQ(spec.fp8().block_rows(), 128);
  EXPECT_EQ(spec.fp8().block_cols(), 128);
  EXPECT_FALSE(spec.fp8().ue8m0_activation_scales());
}

TEST(HfConfig, ReadsTheBundledModel) {
  auto text = ReadFile(SWITCHYARD_SOURCE_DIR "/models/tiny-r1/config.json", 1 << 20);
  ASSERT_TRUE(text.ok()) << text.status();
  auto spec = ParseHfConfig(*text);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->hidden_size(), 256);
  EXPECT_EQ(spec->num_heads(), 4);
  EXPECT_EQ(spec->moe().num_routed_experts(), 32);
  EXPECT_EQ(spec->moe().first_moe_layer(), 1);
  EXPECT_EQ(spec->rope().yarn().factor(), 4);
  EXPECT_TRUE(spec->has_fp8());
}

TEST(HfConfig, ReadsTheVariantsThatArePublished) {
  EXPECT_EQ(SpecWith({{"q_lora_rank", nullptr}}).mla().q_lora_rank(), 0);
  EXPECT_FALSE(SpecWith({{"rope_scaling", nullptr}}).rope().has_yarn());
  EXPECT_FALSE(SpecWith({{"quantization_config", nullptr}}).has_fp8());
  EXPECT_FALSE(SpecWith({{"quantization_config", kRemoved}}).has_fp8());
  EXPECT_TRUE(SpecWith({{"tie_word_embeddings", true}}).tie_word_embeddings());
  EXPECT_TRUE(SpecWith({{"attention_bias", true}}).mla().attention_bias());
  EXPECT_EQ(SpecWith({{"n_shared_experts", 2}}).moe().num_shared_experts(), 2);
  EXPECT_EQ(SpecWith({{"n_shared_experts", nullptr}}).moe().num_shared_experts(), 0);
  EXPECT_EQ(SpecWith({{"num_nextn_predict_layers", kRemoved}}).num_mtp_layers(), 0);
  EXPECT_FALSE(SpecWith({{"n_routed_experts", nullptr}}).has_moe());
  EXPECT_EQ(SpecWith({{"torch_dtype", kRemoved}, {"dtype", "float32"}}).dtype(), v1::DATA_TYPE_F32);
}

TEST(HfConfig, OneGroupMayBeWrittenAsNullOrOne) {
  for (const Json& one : {Json(nullptr), Json(1), kRemoved}) {
    const v1::ModelSpec spec = SpecWith({{"n_group", one}, {"topk_group", one}});
    EXPECT_EQ(spec.moe().num_groups(), 1);
    EXPECT_EQ(spec.moe().top_groups(), 1);
  }
}

TEST(HfConfig, ReadsActivationScalesOfV31) {
  Json fp8 = {{"quant_method", "fp8"},
              {"fmt", "e4m3"},
              {"weight_block_size", {128, 128}},
              {"scale_fmt", "ue8m0"}};
  EXPECT_TRUE(SpecWith({{"quantization_config", fp8}}).fp8().ue8m0_activation_scales());
}

// As llm-compressor writes them.
Json Compressed(const Json& weights, const Json& ignore = {"lm_head"}) {
  return {{"quant_method", "compressed-tensors"},
          {"format", "float-quantized"},
          {"ignore", ignore},
          {"config_groups",
           {{"group_0", {{"targets", Json::array({"Linear"})}, {"weights", weights}}}}}};
}

TEST(HfConfig, ReadsScalesOfRowsAndTensors) {
  const auto read = [](Json weights, const Json& ignore = {"lm_head", "re:.*mlp.gate$"}) {
    weights.update({{"num_bits", 8}, {"type", "float"}, {"symmetric", true}});
    return SpecWith({{"quantization_config", Compressed(weights, ignore)}}).fp8();
  };
  const v1::BlockQuantization rows = read({{"strategy", "channel"}});
  EXPECT_EQ(rows.block_rows(), 1);
  EXPECT_EQ(rows.block_cols(), 0);
  const v1::BlockQuantization tensor = read({{"strategy", "tensor"}}, {"model.layers.3.mlp.gate"});
  EXPECT_EQ(tensor.block_rows(), 0);
  EXPECT_EQ(tensor.block_cols(), 0);
  const v1::BlockQuantization blocks =
      read({{"strategy", "block"}, {"block_structure", {128, 128}}});
  EXPECT_EQ(blocks.block_rows(), 128);
  EXPECT_EQ(blocks.block_cols(), 128);
}

TEST(HfConfig, RefusesOtherCompressedTensors) {
  const Json fp8 = {{"num_bits", 8}, {"type", "float"}, {"strategy", "channel"}};
  const auto with = [&](const Json& changes) {
    Json weights = fp8;
    weights.update(changes);
    return Compressed(weights);
  };
  Json packed = Compressed(fp8), two = Compressed(fp8), none = Compressed(fp8);
  packed["format"] = "pack-quantized";
  two["config_groups"]["group_1"] = two["config_groups"]["group_0"];
  none.erase("config_groups");
  const std::pair<Json, const char*> refused[] = {
      {with({{"num_bits", 4}}), "num_bits = 4: not supported, only 8 is"},
      {with({{"type", "int"}}), "type = \"int\": not supported"},
      {with({{"symmetric", false}}), "symmetric = false: not supported"},
      {with({{"strategy", "group"}}), "strategy = \"group\": not supported"},
      {with({{"strategy", "block"}}), "block_structure is missing"},
      {Compressed(fp8, {"lm_head", "model.layers.0.self_attn.q_proj"}), "ignore = "},
      {Compressed(fp8, "lm_head"), "ignore = "},
      {packed, "format = \"pack-quantized\": not supported"},
      {two, "config_groups = "},
      {none, "config_groups is missing"},
  };
  for (const auto& [quantization, says] : refused) {
    const auto spec = ParseHfConfig(ConfigWith({{"quantization_config", quantization}}), "c.json");
    EXPECT_EQ(spec.status().code(), absl::StatusCode::kUnimplemented) << says;
    EXPECT_THAT(std::string(spec.status().message()), HasSubstr(says));
  }
}

TEST(HfConfig, EverySpellingOfYarnMeansTheSame) {
  const Json numbers = {{"factor", 40},    {"original_max_position_embeddings", 4096},
                        {"beta_fast", 32}, {"beta_slow", 1},
                        {"mscale", 1.0},   {"mscale_all_dim", 1.0}};
  Json rope_type = numbers;
  rope_type["rope_type"] = "yarn";
  Json parameters = rope_type;
  parameters["rope_theta"] = 10000;
  const std::string published = SpecWith(Json::object()).rope().SerializeAsString();
  EXPECT_EQ(SpecWith({{"rope_scaling", rope_type}}).rope().SerializeAsString(), published);
  EXPECT_EQ(
      SpecWith(
          {{"rope_scaling", kRemoved}, {"rope_theta", kRemoved}, {"rope_parameters", parameters}})
          .rope()
          .SerializeAsString(),
      published);
}

TEST(HfConfig, PlainRopeOfTransformers5) {
  const v1::ModelSpec spec =
      SpecWith({{"rope_scaling", kRemoved},
                {"rope_theta", kRemoved},
                {"rope_parameters", {{"rope_type", "default"}, {"rope_theta", 5e4}}}});
  EXPECT_EQ(spec.rope().theta(), 5e4);
  EXPECT_FALSE(spec.rope().has_yarn());
}

TEST(HfConfig, YarnFieldsThatAreLeftOut) {
  const Json bare = {{"type", "yarn"}, {"factor", 2.5}, {"attention_factor", 1.25}};
  const v1::YarnScaling yarn = SpecWith({{"rope_scaling", bare}}).rope().yarn();
  EXPECT_EQ(yarn.beta_fast(), 32);
  EXPECT_EQ(yarn.beta_slow(), 1);
  EXPECT_EQ(yarn.mscale(), 0);
  EXPECT_EQ(yarn.mscale_all_dim(), 0);
  EXPECT_EQ(yarn.attention_factor(), 1.25);
  EXPECT_EQ(yarn.original_max_position_embeddings(), 163840);
}

struct Broken {
  Json changes;
  absl::StatusCode code;
  std::string says;
};

TEST(HfConfig, NamesFieldValueAndWhatIsAllowed) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  constexpr auto kUnsupported = absl::StatusCode::kUnimplemented;
  const Broken kBroken[] = {
      {{{"hidden_size", kRemoved}},
       kInvalid,
       "hidden_size is missing: must be an integer from 1 to 1048576"},
      {{{"hidden_size", 0}}, kInvalid, "hidden_size = 0: must be an integer from 1 to 1048576"},
      {{{"hidden_size", -7168}}, kInvalid, "hidden_size = -7168: must be"},
      {{{"hidden_size", 7168.5}}, kInvalid, "hidden_size = 7168.5: must be an integer"},
      {{{"hidden_size", "7168"}}, kInvalid, "hidden_size = \"7168\": must be an integer"},
      {{{"hidden_size", 18446744073709551615u}},
       kInvalid,
       "hidden_size = 18446744073709551615: must be"},
      {{{"vocab_size", 1 << 25}},
       kInvalid,
       "vocab_size = 33554432: must be an integer from 1 to 16777216"},
      {{{"num_hidden_layers", 4097}}, kInvalid, "num_hidden_layers = 4097"},
      {{{"num_attention_heads", 70000}},
       kInvalid,
       "num_attention_heads = 70000: must be an integer from 1 to 65536"},
      {{{"q_lora_rank", 0}}, kInvalid, "q_lora_rank = 0"},
      {{{"qk_rope_head_dim", 63}}, kInvalid, "qk_rope_head_dim = 63: must be even"},
      {{{"rope_interleave", false}}, kUnsupported, "rope_interleave = false"},
      {{{"rms_norm_eps", 0}}, kInvalid, "rms_norm_eps = 0: must be a number above 0 and at most 1"},
      {{{"rms_norm_eps", "1e-6"}}, kInvalid, "rms_norm_eps = \"1e-6\": must be a number"},
      {{{"rope_theta", kRemoved}}, kInvalid, "rope_theta is missing"},
      {{{"rope_scaling", "yarn"}}, kInvalid, "rope_scaling = \"yarn\": must be an object or null"},
      {{{"rope_scaling", {{"factor", 2}}}}, kInvalid, "rope_scaling.rope_type is missing"},
      {{{"rope_scaling", {{"rope_type", "longrope"}}}},
       kUnsupported,
       "rope_scaling.rope_type = \"longrope\": not supported"},
      {{{"rope_scaling", {{"type", "yarn"}}}}, kInvalid, "rope_scaling.factor is missing"},
      {{{"rope_scaling", {{"type", "yarn"}, {"factor", 2}, {"beta_fast", 1}, {"beta_slow", 32}}}},
       kInvalid,
       "rope_scaling.beta_fast = 1 is below beta_slow = 32"},
      {{{"n_routed_experts", kRemoved}}, kInvalid, "n_routed_experts is missing"},
      {{{"n_routed_experts", 250}}, kInvalid, "n_group = 8: must divide n_routed_experts = 250"},
      {{{"n_routed_experts", 8}},
       kInvalid,
       "n_group = 8: a group's score is the sum of two experts"},
      {{{"topk_group", 9}}, kInvalid, "topk_group = 9: must be at most n_group = 8"},
      {{{"n_routed_experts", 16}, {"topk_group", 3}},
       kInvalid,
       "num_experts_per_tok = 8: must be at most 6, the experts of the topk_group kept groups"},
      {{{"first_k_dense_replace", 62}},
       kInvalid,
       "first_k_dense_replace = 62: must be an integer from 0 to 61"},
      {{{"moe_layer_freq", 2}}, kUnsupported, "moe_layer_freq = 2: not supported, only 1 is"},
      {{{"topk_method", "greedy"}},
       kUnsupported,
       "topk_method = \"greedy\": not supported, only \"noaux_tc\" is"},
      {{{"scoring_func", "softmax"}}, kUnsupported, "scoring_func = \"softmax\""},
      {{{"hidden_act", "gelu"}}, kUnsupported, "hidden_act = \"gelu\""},
      {{{"hidden_act", 3}}, kInvalid, "hidden_act = 3: must be a text"},
      {{{"attention_bias", 1}}, kInvalid, "attention_bias = 1: must be true or false"},
      {{{"torch_dtype", "int8"}}, kUnsupported, "torch_dtype = \"int8\""},
      {{{"quantization_config", {{"quant_method", "hqq"}}}},
       kUnsupported,
       "quantization_config.quant_method = \"hqq\": unknown quantisation, only \"fp8\" in blocks, "
       "\"compressed-tensors\" of 8-bit floats, \"awq\", \"gptq\""},
      {{{"quantization_config", Json::object()}},
       kUnsupported,
       "quantization_config.quant_method is missing"},
      {{{"quantization_config", {{"quant_method", "fp8"}, {"weight_block_size", {64, 128}}}}},
       kUnsupported,
       "quantization_config.weight_block_size = [64,128]: not supported, only [128, 128] is"},
      {{{"quantization_config",
         {{"quant_method", "fp8"}, {"weight_block_size", {128, 128}}, {"scale_fmt", "e3"}}}},
       kUnsupported,
       "quantization_config.scale_fmt = \"e3\""},
      {{{"model_type", "gpt2"}},
       kUnsupported,
       "model_type = \"gpt2\": unknown model type, known: deepseek_v2, deepseek_v3, gemma3, "
       "gemma3_text, glm4_moe, gpt_oss, kimi_k2, llama, mixtral, qwen2, qwen3_moe"},
      {{{"model_type", kRemoved}}, kInvalid, "model_type is missing"},
      {{{"hidden_size", 1 << 20}, {"moe_intermediate_size", 1 << 22}, {"num_hidden_layers", 4096}},
       kInvalid,
       "parameters, more than 1e+15: check hidden_size"},
  };
  for (const Broken& broken : kBroken) {
    SCOPED_TRACE(broken.changes.dump());
    auto spec = ParseHfConfig(ConfigWith(broken.changes), "v3/config.json");
    ASSERT_FALSE(spec.ok());
    EXPECT_EQ(spec.status().code(), broken.code) << spec.status();
    EXPECT_THAT(std::string(Message(spec.status())), HasSubstr(broken.says));
    EXPECT_THAT(std::string(Message(spec.status())), ::testing::StartsWith("v3/config.json: "));
  }
}

TEST(HfConfig, TellsAllFaultsAtOnce) {
  auto spec =
      ParseHfConfig(ConfigWith({{"vocab_size", 0}, {"v_head_dim", -1}, {"hidden_act", "relu"}}));
  ASSERT_FALSE(spec.ok());
  EXPECT_EQ(Message(spec.status()),
            "config.json: vocab_size = 0: must be an integer from 1 to 16777216; "
            "hidden_act = \"relu\": not supported, only \"silu\" is; "
            "v_head_dim = -1: must be an integer from 1 to 4096");
}

TEST(HfConfig, RefusesWhatIsNoObject) {
  for (const char* text : {"", "[]", "3", "{\"model_type\":", "{} {}"}) {
    auto spec = ParseHfConfig(text);
    ASSERT_FALSE(spec.ok()) << text;
    EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(std::string(Message(spec.status())), HasSubstr("config.json: "));
  }
}

TEST(HfConfig, ShowsNoEndlessValue) {
  auto spec = ParseHfConfig(ConfigWith({{"hidden_size", std::string(100000, 'x')}}));
  ASSERT_FALSE(spec.ok());
  EXPECT_LT(Message(spec.status()).size(), 200u);
}

}  // namespace
}  // namespace switchyard::core
