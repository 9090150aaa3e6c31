// Families beside deepseek_v3: what their published configs say, with and without the fields that
// may be left out (MODEL_SPECS 5 to 7 and 8d).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "coordinator/core/plan/hf_config.h"

namespace switchyard::core {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// What QwQ-32B and Llama 3.1 8B publish.
const Json kQwq = {{"model_type", "qwen2"},
                   {"hidden_size", 5120},
                   {"num_hidden_layers", 64},
                   {"intermediate_size", 27648},
                   {"num_attention_heads", 40},
                   {"num_key_value_heads", 8},
                   {"rms_norm_eps", 1e-5},
                   {"rope_theta", 1e6},
                   {"rope_scaling", nullptr},
                   {"vocab_size", 152064},
                   {"tie_word_embeddings", false},
                   {"use_sliding_window", false},
                   {"sliding_window", 32768},
                   {"max_window_layers", 64},
                   {"max_position_embeddings", 131072},
                   {"hidden_act", "silu"},
                   {"torch_dtype", "bfloat16"}};
const Json kLlama3Scaling = {{"rope_type", "llama3"},
                             {"factor", 8.0},
                             {"low_freq_factor", 1.0},
                             {"high_freq_factor", 4.0},
                             {"original_max_position_embeddings", 8192}};
const Json kLlama = {{"model_type", "llama"},
                     {"hidden_size", 4096},
                     {"num_hidden_layers", 32},
                     {"intermediate_size", 14336},
                     {"num_attention_heads", 32},
                     {"num_key_value_heads", 8},
                     {"rms_norm_eps", 1e-5},
                     {"rope_theta", 500000.0},
                     {"rope_scaling", kLlama3Scaling},
                     {"vocab_size", 128256},
                     {"max_position_embeddings", 131072},
                     {"attention_bias", false},
                     {"mlp_bias", false},
                     {"pretraining_tp", 1}};

Json With(Json config, const Json& changes) {
  config.update(changes);
  return config;
}
Json Without(Json config, const std::vector<std::string>& names) {
  for (const std::string& name : names) config.erase(name);
  return config;
}

v1::ModelSpec Spec(const Json& config) {
  auto spec = ParseHfConfig(config.dump());
  EXPECT_TRUE(spec.ok()) << spec.status();
  return spec.value_or(v1::ModelSpec());
}

std::string Fault(const Json& config, absl::StatusCode code) {
  const auto spec = ParseHfConfig(config.dump());
  EXPECT_EQ(spec.status().code(), code) << spec.status();
  return std::string(Message(spec.status()));
}

TEST(HfQwen2, ReadsThePublishedQwq) {
  const v1::ModelSpec spec = Spec(kQwq);
  EXPECT_EQ(spec.model_type(), "qwen2");
  EXPECT_EQ(spec.num_heads(), 40);
  EXPECT_EQ(spec.intermediate_size(), 27648);
  EXPECT_EQ(spec.max_position_embeddings(), 131072);
  EXPECT_EQ(spec.dtype(), v1::DATA_TYPE_BF16);
  EXPECT_FALSE(spec.has_moe() || spec.has_mla() || spec.has_fp8());
  ASSERT_TRUE(spec.has_gqa());
  EXPECT_EQ(spec.gqa().num_kv_heads(), 8);
  EXPECT_EQ(spec.gqa().head_dim(), 128) << "hidden over heads";
  EXPECT_TRUE(spec.gqa().qkv_bias());
  EXPECT_FALSE(spec.gqa().output_bias());
  EXPECT_EQ(spec.gqa().windows_size(), 0) << "the window is named and switched off";
  EXPECT_EQ(spec.rope().theta(), 1e6);
  EXPECT_EQ(spec.rope().scaling_case(), v1::RopeSpec::SCALING_NOT_SET);
}

TEST(HfQwen2, WindowsWhereTheConfigSwitchesThemOn) {
  const Json on = With(kQwq, {{"use_sliding_window", true},
                              {"num_hidden_layers", 4},
                              {"max_window_layers", 3},
                              {"sliding_window", 100}});
  EXPECT_THAT(Spec(on).gqa().windows(), ElementsAre(0, 0, 0, 100));
  const char* const kFull = "full_attention";
  const char* const kSliding = "sliding_attention";
  const Json by_type = With(on, {{"layer_types", {kSliding, kFull, kSliding, kFull}}});
  EXPECT_THAT(Spec(by_type).gqa().windows(), ElementsAre(100, 0, 100, 0));
  EXPECT_EQ(Spec(With(by_type, {{"use_sliding_window", false}})).gqa().windows_size(), 0);
  EXPECT_EQ(Spec(With(on, {{"sliding_window", nullptr}})).gqa().windows_size(), 0);
  EXPECT_THAT(Fault(With(on, {{"layer_types", {kFull}}}), absl::StatusCode::kInvalidArgument),
              HasSubstr("must be a list of num_hidden_layers = 4 texts"));
  EXPECT_THAT(Fault(With(on, {{"layer_types", {kFull, kFull, kFull, "chunked_attention"}}}),
                    absl::StatusCode::kUnimplemented),
              HasSubstr("\"chunked_attention\" is not supported"));
  EXPECT_THAT(Fault(With(on, {{"sliding_window", 0}}), absl::StatusCode::kInvalidArgument),
              HasSubstr("sliding_window = 0"));
}

TEST(HfLlama, ReadsThePublishedLlama31) {
  const v1::ModelSpec spec = Spec(kLlama);
  EXPECT_EQ(spec.model_type(), "llama");
  EXPECT_EQ(spec.gqa().num_kv_heads(), 8);
  EXPECT_EQ(spec.gqa().head_dim(), 128);
  EXPECT_FALSE(spec.gqa().qkv_bias() || spec.gqa().output_bias());
  EXPECT_FALSE(spec.tie_word_embeddings());
  const v1::Llama3Scaling& llama3 = spec.rope().llama3();
  EXPECT_EQ(llama3.factor(), 8);
  EXPECT_EQ(llama3.low_freq_factor(), 1);
  EXPECT_EQ(llama3.high_freq_factor(), 4);
  EXPECT_EQ(llama3.original_max_position_embeddings(), 8192);
}

TEST(HfLlama, WhatMayBeLeftOutOrSaidOtherwise) {
  const v1::ModelSpec bare = Spec(
      Without(kLlama, {"num_key_value_heads", "rope_theta", "rope_scaling", "attention_bias"}));
  EXPECT_EQ(bare.gqa().num_kv_heads(), 32) << "every head its own";
  EXPECT_EQ(bare.rope().theta(), 10000);
  EXPECT_EQ(Spec(With(kLlama, {{"head_dim", 64}})).gqa().head_dim(), 64)
      << "wins over the quotient";
  EXPECT_EQ(Spec(With(kLlama, {{"head_dim", nullptr}})).gqa().head_dim(), 128);
  EXPECT_EQ(Spec(With(kLlama, {{"hidden_size", 4100}, {"head_dim", 64}})).gqa().head_dim(), 64);
  const v1::GqaSpec biased = Spec(With(kLlama, {{"attention_bias", true}})).gqa();
  EXPECT_TRUE(biased.qkv_bias() && biased.output_bias());
  EXPECT_TRUE(Spec(With(kLlama, {{"tie_word_embeddings", true}})).tie_word_embeddings());
  EXPECT_EQ(Spec(With(kLlama, {{"partial_rotary_factor", 1.0}})).gqa().head_dim(), 128);
}

TEST(HfLlama, EveryKindOfRopeScaling) {
  const auto scaled = [](const Json& scaling) {
    return Spec(With(kLlama, {{"rope_scaling", scaling}}));
  };
  EXPECT_EQ(scaled({{"type", "linear"}, {"factor", 4}}).rope().linear_factor(), 4);
  EXPECT_EQ(scaled({{"type", "yarn"}, {"factor", 4}}).rope().yarn().factor(), 4);
  // A dynamic base changes nothing up to the context of the training; nothing longer is served.
  const v1::ModelSpec dynamic = scaled({{"type", "dynamic"}, {"factor", 2}});
  EXPECT_EQ(dynamic.rope().scaling_case(), v1::RopeSpec::SCALING_NOT_SET);
  EXPECT_EQ(dynamic.max_position_embeddings(), 131072);
  const Json trained = {
      {"type", "dynamic"}, {"factor", 2}, {"original_max_position_embeddings", 4096}};
  EXPECT_EQ(scaled(trained).max_position_embeddings(), 4096);
  const Json parameters = With(kLlama3Scaling, {{"rope_theta", 3e5}});
  const v1::RopeSpec rope =
      Spec(With(Without(kLlama, {"rope_theta", "rope_scaling"}), {{"rope_parameters", parameters}}))
          .rope();
  EXPECT_EQ(rope.theta(), 3e5);
  EXPECT_EQ(rope.llama3().factor(), 8);
}

struct Broken {
  Json changes;
  absl::StatusCode code;
  const char* says;
};

TEST(HfLlama, SaysWhatIsWrong) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  constexpr auto kUnsupported = absl::StatusCode::kUnimplemented;
  const Broken kBroken[] = {
      {{{"num_key_value_heads", 5}}, kInvalid, "num_key_value_heads = 5: must divide"},
      {{{"num_key_value_heads", 0}}, kInvalid, "num_key_value_heads = 0: must be an integer"},
      {{{"hidden_size", 4100}},
       kInvalid,
       "num_attention_heads = 32: must divide hidden_size = 4100"},
      {{{"head_dim", 63}}, kInvalid, "head_dim = 63: must be even"},
      {{{"hidden_size", 1 << 20}}, kInvalid, "head_dim = 32768: must be even"},
      {{{"head_dim", 1}}, kInvalid, "head_dim = 1: must be an integer from 2"},
      {{{"mlp_bias", true}}, kUnsupported, "mlp_bias = true: not supported"},
      {{{"partial_rotary_factor", 0.5}}, kUnsupported, "partial_rotary_factor = 0.5"},
      {{{"hidden_act", "gelu"}}, kUnsupported, "hidden_act = \"gelu\""},
      {{{"rope_scaling", {{"type", "linear"}}}}, kInvalid, "rope_scaling.factor is missing"},
      {{{"rope_scaling", {{"type", "dynamic"}, {"factor", 0.5}}}}, kInvalid, "factor = 0.5"},
      {{{"rope_scaling", With(kLlama3Scaling, {{"low_freq_factor", 4}})}},
       kInvalid,
       "low_freq_factor = 4: must be below high_freq_factor = 4"},
      {{{"rope_scaling", Without(kLlama3Scaling, {"original_max_position_embeddings"})}},
       kInvalid,
       "rope_scaling.original_max_position_embeddings is missing"},
      {{{"quantization_config", {{"quant_method", "hqq"}}}}, kUnsupported, "\"hqq\""},
      {{{"num_hidden_layers", 4096},
        {"hidden_size", 1 << 20},
        {"head_dim", 4096},
        {"num_attention_heads", 65536},
        {"num_key_value_heads", 8}},
       kInvalid,
       "parameters, more than 1e+15"},
  };
  for (const Broken& broken : kBroken) {
    SCOPED_TRACE(broken.changes.dump());
    EXPECT_THAT(Fault(With(kLlama, broken.changes), broken.code), HasSubstr(broken.says));
  }
}

// As Qwen3-30B-A3B and Mixtral 8x7B publish them.
const Json kQwen3Moe =
    With(Without(kQwq, {"max_window_layers"}), {{"model_type", "qwen3_moe"},
                                                {"hidden_size", 2048},
                                                {"num_hidden_layers", 48},
                                                {"num_attention_heads", 32},
                                                {"num_key_value_heads", 4},
                                                {"head_dim", 128},
                                                {"num_experts", 128},
                                                {"num_experts_per_tok", 8},
                                                {"moe_intermediate_size", 768},
                                                {"norm_topk_prob", true},
                                                {"decoder_sparse_step", 1},
                                                {"mlp_only_layers", Json::array()},
                                                {"sliding_window", nullptr}});
const Json kMixtral = With(Without(kLlama, {"rope_scaling", "rope_theta", "attention_bias"}),
                           {{"model_type", "mixtral"},
                            {"num_local_experts", 8},
                            {"num_experts_per_tok", 2},
                            {"sliding_window", nullptr}});

TEST(HfQwen3Moe, ReadsThePublished30B) {
  const v1::ModelSpec spec = Spec(kQwen3Moe);
  EXPECT_EQ(spec.gqa().head_dim(), 128) << "not hidden over heads";
  EXPECT_TRUE(spec.gqa().qk_norm());
  EXPECT_FALSE(spec.gqa().qkv_bias());
  EXPECT_EQ(spec.gqa().windows_size(), 0);
  EXPECT_EQ(spec.moe().num_routed_experts(), 128);
  EXPECT_EQ(spec.moe().experts_per_token(), 8);
  EXPECT_EQ(spec.moe().intermediate_size(), 768);
  EXPECT_EQ(spec.moe().num_shared_experts(), 0);
  EXPECT_EQ(spec.moe().first_moe_layer(), 0);
  EXPECT_EQ(spec.moe().routed_scaling_factor(), 1);
  EXPECT_TRUE(spec.moe().softmax_scores() && spec.moe().normalize_weights());
  EXPECT_EQ(spec.moe().num_groups(), 1);
}

TEST(HfQwen3Moe, WhatMayBeSaidOtherwiseAndWhatIsRefused) {
  constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
  constexpr auto kUnsupported = absl::StatusCode::kUnimplemented;
  const Json renamed = With(Without(kQwen3Moe, {"num_experts"}), {{"num_local_experts", 64}});
  EXPECT_EQ(Spec(renamed).moe().num_routed_experts(), 64) << "as transformers 5 saves it";
  EXPECT_FALSE(Spec(Without(kQwen3Moe, {"norm_topk_prob"})).moe().normalize_weights());
  const Broken kBroken[] = {
      {{{"num_experts", nullptr}}, kInvalid, "num_experts = null: must be an integer"},
      {{{"num_experts", 4}}, kInvalid, "num_experts_per_tok = 8: must be at most 4"},
      {{{"decoder_sparse_step", 2}}, kUnsupported, "decoder_sparse_step = 2: not supported"},
      {{{"mlp_only_layers", {3}}}, kUnsupported, "mlp_only_layers = [3]: not supported"},
      {{{"use_sliding_window", true}}, kUnsupported, "use_sliding_window = true"},
      {{{"moe_intermediate_size", 0}}, kInvalid, "moe_intermediate_size = 0"},
  };
  for (const Broken& broken : kBroken) {
    SCOPED_TRACE(broken.changes.dump());
    EXPECT_THAT(Fault(With(kQwen3Moe, broken.changes), broken.code), HasSubstr(broken.says));
  }
}

TEST(HfMixtral, ReadsThePublished8x7B) {
  const v1::ModelSpec spec = Spec(kMixtral);
  EXPECT_EQ(spec.rope().theta(), 1e6);
  EXPECT_EQ(spec.moe().num_routed_experts(), 8);
  EXPECT_EQ(spec.moe().experts_per_token(), 2);
  EXPECT_EQ(spec.moe().intermediate_size(), 14336) << "an expert's";
  EXPECT_TRUE(spec.moe().softmax_scores() && spec.moe().normalize_weights());
  EXPECT_EQ(spec.gqa().windows_size(), 0);
  const Json windowed = With(kMixtral, {{"sliding_window", 4096}, {"num_hidden_layers", 2}});
  EXPECT_THAT(Spec(windowed).gqa().windows(), ElementsAre(4096, 4096));
}

// What DeepSeek-V2 publishes, as far as it is its own.
const Json kV2 = {{"model_type", "deepseek_v2"},
                  {"hidden_size", 5120},
                  {"num_hidden_layers", 60},
                  {"intermediate_size", 12288},
                  {"num_attention_heads", 128},
                  {"num_key_value_heads", 128},
                  {"rms_norm_eps", 1e-6},
                  {"rope_theta", 10000},
                  {"vocab_size", 102400},
                  {"max_position_embeddings", 163840},
                  {"q_lora_rank", 1536},
                  {"kv_lora_rank", 512},
                  {"qk_nope_head_dim", 128},
                  {"qk_rope_head_dim", 64},
                  {"v_head_dim", 128},
                  {"n_routed_experts", 160},
                  {"n_shared_experts", 2},
                  {"num_experts_per_tok", 6},
                  {"moe_intermediate_size", 1536},
                  {"first_k_dense_replace", 1},
                  {"n_group", 8},
                  {"topk_group", 3},
                  {"topk_method", "group_limited_greedy"},
                  {"scoring_func", "softmax"},
                  {"norm_topk_prob", false},
                  {"routed_scaling_factor", 16.0},
                  {"torch_dtype", "bfloat16"}};

TEST(HfFamilies, DeepseekV2ChoosesExpertsByASoftmax) {
  const v1::ModelSpec spec = Spec(kV2);
  EXPECT_EQ(spec.mla().q_lora_rank(), 1536);
  EXPECT_TRUE(spec.moe().softmax_scores());
  EXPECT_FALSE(spec.moe().normalize_weights());
  EXPECT_EQ(spec.moe().routed_scaling_factor(), 16);
  EXPECT_EQ(spec.moe().num_groups(), 8);
  EXPECT_EQ(spec.moe().top_groups(), 3);
  EXPECT_EQ(spec.num_mtp_layers(), 0);
  const v1::ModelSpec lite = Spec(With(kV2, {{"topk_method", "greedy"}, {"q_lora_rank", nullptr}}));
  EXPECT_EQ(lite.moe().num_groups(), 1) << "greedy looks at no groups";
  EXPECT_EQ(lite.mla().q_lora_rank(), 0);
}

TEST(HfFamilies, DeepseekV2SaysWhatItDoesNotCompute) {
  EXPECT_THAT(Fault(With(kV2, {{"norm_topk_prob", true}}), absl::StatusCode::kUnimplemented),
              HasSubstr("norm_topk_prob = true"));
  EXPECT_THAT(Fault(With(kV2, {{"topk_method", "noaux_tc"}}), absl::StatusCode::kUnimplemented),
              HasSubstr("topk_method"));
  EXPECT_THAT(Fault(With(kV2, {{"scoring_func", "sigmoid"}}), absl::StatusCode::kUnimplemented),
              HasSubstr("scoring_func"));
  EXPECT_THAT(Fault(With(kV2, {{"n_group", 7}}), absl::StatusCode::kInvalidArgument),
              HasSubstr("n_group"));
}

TEST(HfFamilies, ReadTheBundledModels) {
  for (const char* name : {"tiny-llama", "tiny-qwen2", "tiny-qwen3-moe", "tiny-deepseek-v2-lite"}) {
    const std::string path = fmt::format("{}/models/{}/config.json", SWITCHYARD_SOURCE_DIR, name);
    const auto text = ReadFile(path, 1 << 20);
    ASSERT_TRUE(text.ok()) << text.status();
    const auto spec = ParseHfConfig(*text, path);
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_TRUE(spec->has_mla() || spec->gqa().num_kv_heads() == 2);
  }
}

TEST(HfFamilies, FourBitWeightsOfAwqAndGptq) {
  const Json awq = {{"quant_method", "awq"}, {"bits", 4},
                    {"group_size", 128},     {"zero_point", true},
                    {"version", "gemm"},     {"modules_to_not_convert", nullptr}};
  const auto spec = [&](const Json& base, const Json& changes) {
    return ParseHfConfig(With(kQwq, {{"quantization_config", With(base, changes)}}).dump());
  };
  const auto first = spec(awq, Json::object());
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->groups().layout(), v1::GroupQuantization::LAYOUT_AWQ);
  EXPECT_EQ(first->groups().columns(), 128);
  EXPECT_FALSE(first->groups().zeros_less_one());
  EXPECT_FALSE(first->has_fp8());
  EXPECT_TRUE(spec(awq, {{"modules_to_not_convert", {"lm_head", "gate"}}}).ok());

  const Json gptq = {{"quant_method", "gptq"}, {"bits", 4},   {"group_size", -1},
                     {"desc_act", false},      {"sym", true}, {"checkpoint_format", "gptq"}};
  const auto second = spec(gptq, Json::object());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->groups().layout(), v1::GroupQuantization::LAYOUT_GPTQ);
  EXPECT_EQ(second->groups().columns(), 0);
  EXPECT_TRUE(second->groups().zeros_less_one());
  EXPECT_FALSE(spec(gptq, {{"checkpoint_format", "gptq_v2"}})->groups().zeros_less_one());

  const auto expect = [&](const Json& base, const Json& changes, const char* message) {
    const auto refused = spec(base, changes);
    ASSERT_FALSE(refused.ok()) << changes.dump();
    EXPECT_EQ(refused.status().code(), absl::StatusCode::kUnimplemented);
    EXPECT_THAT(std::string(refused.status().message()), HasSubstr(message));
  };
  expect(awq, {{"bits", 8}}, "quantization_config.bits = 8: not supported, only 4 is");
  expect(awq, {{"group_size", 48}}, "group_size = 48: not supported, only 32, 64, 128 and -1");
  expect(awq, {{"version", "gemv"}}, "version = \"gemv\"");
  expect(awq, {{"zero_point", false}}, "zero_point = false: not supported");
  expect(awq, {{"modules_to_not_convert", {"self_attn.o_proj"}}},
         "modules_to_not_convert = [\"self_attn.o_proj\"]: not supported, only lm_head");
  expect(gptq, {{"checkpoint_format", "marlin"}}, "checkpoint_format = \"marlin\"");
}

}  // namespace
}  // namespace switchyard::core
