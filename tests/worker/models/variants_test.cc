// What configs may say differently, each in a small made-up model: against the text
// book in double precision, and the same bits on four ranks as on one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "base/json.h"
#include "base/random.h"
#include "cli/synth_command.h"
#include "tests/testing/compare.h"
#include "tests/testing/compressed_fp8.h"
#include "tests/testing/prompt_runner.h"
#include "tests/worker/models/reference_decoder.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::testing {
namespace {

using worker::TempFolder;

struct Variant {
  const char* name;
  // Of the checkpoint: bf16, fp8 in blocks, or FP8 by compressed-tensors' "channel" or "tensor".
  const char* dtype;
  Json changes;                   // to the base config
  const char* model = "tiny-r1";  // whose config it is
};
std::ostream& operator<<(std::ostream& out, const Variant& v) { return out << v.name; }

// A bundled model's config, smaller.
Json BaseConfig(const std::string& model) {
  std::ifstream file(worker::BundledModel(model) + "/config.json");
  Json config = Json::parse(file);
  if (model == "tiny-qwen3-moe") {
    config.update(Json{{"vocab_size", 301},
                       {"max_position_embeddings", 64},
                       {"num_experts", 6},
                       {"num_experts_per_tok", 2}});
    return config;
  }
  if (model == "tiny-deepseek-v2-lite" || model == "tiny-gemma3" || model == "tiny-gpt-oss") {
    config.update(Json{{"vocab_size", 301}, {"max_position_embeddings", 64}});
    return config;
  }
  if (model != "tiny-r1") {
    config.update(Json{{"vocab_size", 301},
                       {"max_position_embeddings", 64},
                       {"hidden_size", 96},
                       {"intermediate_size", 176},
                       {"num_hidden_layers", 3}});
    return config;
  }
  config.update(Json{{"vocab_size", 301},
                     {"num_hidden_layers", 3},
                     {"num_nextn_predict_layers", 0},
                     {"max_position_embeddings", 64},
                     {"n_routed_experts", 8},
                     {"n_group", 2},
                     {"topk_group", 1},
                     {"num_experts_per_tok", 2},
                     {"q_lora_rank", 96},
                     {"hidden_size", 128},
                     {"intermediate_size", 192},
                     {"moe_intermediate_size", 48}});
  return config;
}

// What makes it of a llama.
const Json kMixtral = {{"model_type", "mixtral"},
                       {"num_local_experts", 4},
                       {"num_experts_per_tok", 2},
                       {"rope_scaling", nullptr}};
// A Gemma that also sees, with what its file leaves out.
Json SeeingGemma() {
  return {{"model_type", "gemma3"},
          {"text_config",
           {{"vocab_size", 301},
            {"hidden_size", 96},
            {"intermediate_size", 160},
            {"num_hidden_layers", 3},
            {"head_dim", 24},
            {"query_pre_attn_scalar", 20},
            {"sliding_window", 5},
            {"sliding_window_pattern", 2},
            {"max_position_embeddings", 64},
            {"rope_scaling", {{"rope_type", "linear"}, {"factor", 8.0}}}}}};
}
// What makes GLM-4.5 of a Qwen3 with experts.
const Json kGlm = {{"model_type", "glm4_moe"},
                   {"n_routed_experts", 6},
                   {"n_shared_experts", 1},
                   {"first_k_dense_replace", 1},
                   {"n_group", 1},
                   {"topk_group", 1},
                   {"norm_topk_prob", true},
                   {"routed_scaling_factor", 2.5},
                   {"attention_bias", true},
                   {"use_qk_norm", true},
                   {"partial_rotary_factor", 0.5}};
// And Kimi-K2 of DeepSeek-V3: no groups, a ramp of YaRN with one end.
const Json kKimi = {{"model_type", "kimi_k2"},
                    {"n_group", 1},
                    {"topk_group", 1},
                    {"routed_scaling_factor", 2.827},
                    {"rope_theta", 50000},
                    {"rope_scaling",
                     {{"type", "yarn"},
                      {"factor", 32.0},
                      {"beta_fast", 1.0},
                      {"beta_slow", 1.0},
                      {"mscale", 1.0},
                      {"mscale_all_dim", 1.0},
                      {"original_max_position_embeddings", 16}}}};
Json WithWindow(Json config) {
  config["sliding_window"] = 9;
  return config;
}

const std::vector<Variant> kVariants = {
    {"base", "fp8", Json::object()},
    {"base_bf16", "bf16", Json::object()},
    {"full_query_projection", "fp8", {{"q_lora_rank", nullptr}}},
    {"plain_rope", "bf16", {{"rope_scaling", nullptr}}},
    {"attention_bias", "fp8", {{"attention_bias", true}}},
    {"attention_bias_full_query", "bf16", {{"attention_bias", true}, {"q_lora_rank", nullptr}}},
    {"tied_embeddings", "fp8", {{"tie_word_embeddings", true}}},
    {"two_shared_experts", "fp8", {{"n_shared_experts", 2}}},
    {"no_shared_expert", "fp8", {{"n_shared_experts", 0}}},
    {"one_expert_group", "fp8", {{"n_group", 1}, {"topk_group", 1}}},
    {"weights_not_normalised", "bf16", {{"norm_topk_prob", false}, {"routed_scaling_factor", 1.5}}},
    {"large_eps", "bf16", {{"rms_norm_eps", 0.1}}},
    {"six_experts_on_four_ranks", "fp8", {{"n_routed_experts", 6}, {"n_group", 1}}},
    {"odd_sizes",
     "fp8",
     {{"hidden_size", 192},
      {"qk_nope_head_dim", 48},
      {"qk_rope_head_dim", 16},
      {"v_head_dim", 40},
      {"kv_lora_rank", 72},
      {"q_lora_rank", 88},
      {"intermediate_size", 208},
      {"moe_intermediate_size", 40}}},
    {"every_layer_moe", "bf16", {{"first_k_dense_replace", 0}}},
    {"dense", "fp8", {{"n_routed_experts", nullptr}}},
    {"llama", "bf16", Json::object(), "tiny-llama"},
    {"llama_fp8", "fp8", Json::object(), "tiny-llama"},
    {"llama_fp8_rows", "channel", Json::object(), "tiny-llama"},
    {"llama_fp8_whole", "tensor", Json::object(), "tiny-llama"},
    {"fp8_rows", "channel", {{"q_lora_rank", 96}}},
    {"fp8_whole", "tensor", {{"q_lora_rank", 96}}},
    {"llama_biases", "bf16", {{"attention_bias", true}}, "tiny-llama"},
    {"llama_tied", "bf16", {{"tie_word_embeddings", true}}, "tiny-llama"},
    {"llama_plain_rope", "bf16", {{"rope_scaling", nullptr}}, "tiny-llama"},
    {"llama_linear", "bf16", {{"rope_scaling", {{"type", "linear"}, {"factor", 4}}}}, "tiny-llama"},
    {"llama_dynamic",
     "bf16",
     {{"rope_scaling", {{"type", "dynamic"}, {"factor", 4}}}},
     "tiny-llama"},
    {"llama_wide_heads", "fp8", {{"head_dim", 40}, {"num_key_value_heads", 4}}, "tiny-llama"},
    {"llama_one_kv_head", "bf16", {{"num_key_value_heads", 1}}, "tiny-llama"},
    {"llama_every_head_its_own", "bf16", {{"num_key_value_heads", nullptr}}, "tiny-llama"},
    {"qwen2", "bf16", Json::object(), "tiny-qwen2"},
    {"qwen2_tied_fp8", "fp8", {{"tie_word_embeddings", true}}, "tiny-qwen2"},
    {"qwen2_yarn",
     "bf16",
     {{"rope_scaling",
       {{"type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 16}}}},
     "tiny-qwen2"},
    {"qwen2_window",
     "bf16",
     {{"use_sliding_window", true}, {"sliding_window", 7}, {"max_window_layers", 1}},
     "tiny-qwen2"},
    {"qwen3_moe", "bf16", Json::object(), "tiny-qwen3-moe"},
    {"qwen3_moe_fp8", "fp8", {{"tie_word_embeddings", true}}, "tiny-qwen3-moe"},
    {"qwen3_moe_raw_weights", "bf16", {{"norm_topk_prob", false}}, "tiny-qwen3-moe"},
    {"deepseek_v2", "bf16", Json::object(), "tiny-deepseek-v2-lite"},
    {"deepseek_v2_groups",
     "fp8",
     {{"topk_method", "group_limited_greedy"},
      {"n_group", 4},
      {"topk_group", 2},
      {"q_lora_rank", 40},
      {"routed_scaling_factor", 16.0}},
     "tiny-deepseek-v2-lite"},
    {"llama_mlp_bias", "bf16", {{"mlp_bias", true}}, "tiny-llama"},
    {"llama_mlp_bias_fp8", "fp8", {{"mlp_bias", true}}, "tiny-llama"},
    {"gemma3", "bf16", Json::object(), "tiny-gemma3"},
    {"gemma3_untied_fp8", "fp8", {{"tie_word_embeddings", false}}, "tiny-gemma3"},
    {"gemma3_that_sees", "bf16", SeeingGemma(), "tiny-gemma3"},
    {"gpt_oss_in_bf16", "bf16", {{"swiglu_limit", 0.7}}, "tiny-gpt-oss"},
    {"gpt_oss_tied", "bf16", {{"tie_word_embeddings", true}}, "tiny-gpt-oss"},
    {"glm", "bf16", kGlm, "tiny-qwen3-moe"},
    {"glm_fp8", "fp8", kGlm, "tiny-qwen3-moe"},
    {"kimi", "fp8", kKimi},
    {"mixtral", "bf16", kMixtral, "tiny-llama"},
    {"mixtral_window", "bf16", WithWindow(kMixtral), "tiny-llama"},
};

class VariantsTest : public ::testing::TestWithParam<Variant> {
 protected:
  void SetUp() override {
    Json config = BaseConfig(GetParam().model);
    config.update(GetParam().changes);
    worker::WriteText(folder_ / "config.json", config.dump());
    const std::string_view dtype = GetParam().dtype;
    const bool compressed = dtype == "channel" || dtype == "tensor";
    const std::string plain = folder_ / "plain";
    const absl::Status status = cli::RunSynth({.config_path = folder_ / "config.json",
                                               .dtype = compressed ? "bf16" : GetParam().dtype,
                                               .seed = 7,
                                               .out_folder = compressed ? plain : model_});
    ASSERT_TRUE(status.ok()) << status;
    if (compressed) WriteCompressedFp8(plain, model_, dtype);
  }

  std::unique_ptr<PromptRunner> MakeRunner(v1::ComputeMode compute, int dp, int tp) {
    auto runner = PromptRunner::Create(
        {.model_path = model_, .data_parallel = dp, .tensor_parallel = tp, .compute = compute},
        {.batch = 4, .max_tokens = 128, .longest = 64});
    EXPECT_TRUE(runner.ok()) << runner.status();
    return runner.ok() ? *std::move(runner) : nullptr;
  }

  // Prompts of several lengths; the last one and its answer fill the context to its last position.
  static std::vector<PromptJob> Jobs() {
    std::vector<PromptJob> jobs;
    for (int length : {1, 9, 20, 58}) {
      PromptJob& job = jobs.emplace_back(PromptJob{{}, 6});
      for (int i = 0; i < length; ++i) job.tokens.push_back(RandomBits(length, i) % 301);
    }
    return jobs;
  }

  TempFolder folder_;
  const std::string model_ = folder_ / "model";
};

// Of the largest logit: FP32 rounding through three layers.
constexpr double kRelativeTolerance = 1e-5;

TEST_P(VariantsTest, ComputesWhatTheTextBookSays) {
  const auto runner = MakeRunner(v1::COMPUTE_MODE_F32, 1, 1);
  ASSERT_NE(runner, nullptr);
  const std::vector<PromptJob> jobs = Jobs();
  const auto answers = runner->Run(jobs, {.chunk = 16, .batch = 4, .end_token = -1});
  ASSERT_TRUE(answers.ok()) << answers.status();
  ReferenceDecoder reference(model_);
  double worst = 0;
  for (size_t i = 0; i < jobs.size(); ++i) {
    // Prompt and answer as one prompt: the absorbed form of decoding must not show.
    std::vector<int32_t> tokens = jobs[i].tokens;
    ASSERT_EQ((*answers)[i].generated.size(), 6u);
    tokens.insert(tokens.end(), (*answers)[i].generated.begin(), (*answers)[i].generated.end());
    tokens.pop_back();
    const std::vector<std::vector<double>> want = reference.Logits(tokens);
    for (size_t t = 0; t < tokens.size(); ++t) {
      const std::vector<float>& got = (*answers)[i].rows[t];
      ASSERT_EQ(got.size(), want[t].size());
      double largest = 0, error = 0;
      for (size_t v = 0; v < got.size(); ++v) {
        largest = std::max(largest, std::abs(want[t][v]));
        error = std::max(error, std::abs(got[v] - want[t][v]));
      }
      worst = std::max(worst, error / largest);
      ASSERT_LE(error, kRelativeTolerance * largest) << "prompt " << i << ", position " << t;
    }
  }
  RecordProperty("worst", fmt::format("{:.2g}", worst));
}

TEST_P(VariantsTest, FourRanksGiveTheBitsOfOne) {
  const std::vector<PromptJob> jobs = Jobs();
  for (v1::ComputeMode compute :
       {v1::COMPUTE_MODE_F32, v1::COMPUTE_MODE_BF16, v1::COMPUTE_MODE_W8A8}) {
    if (compute == v1::COMPUTE_MODE_W8A8 && GetParam().dtype == std::string_view("bf16")) continue;
    const auto one = MakeRunner(compute, 1, 1);
    ASSERT_NE(one, nullptr);
    const auto want = one->Run(jobs, {.batch = 4, .end_token = -1});
    ASSERT_TRUE(want.ok()) << want.status();
    for (int tensor_parallel : {2, 4}) {
      const auto four = MakeRunner(compute, 4 / tensor_parallel, tensor_parallel);
      ASSERT_NE(four, nullptr);
      const auto got = four->Run(jobs, {.chunk = 0, .batch = 4, .seed = 5, .end_token = -1});
      ASSERT_TRUE(got.ok()) << got.status();
      for (size_t i = 0; i < jobs.size(); ++i) {
        EXPECT_EQ((*got)[i].generated, (*want)[i].generated);
        for (size_t t = 0; t + 1 < (*want)[i].rows.size(); ++t) {
          ASSERT_TRUE(SameBits((*got)[i].rows[t], (*want)[i].rows[t], 301))
              << v1::ComputeMode_Name(compute) << ", " << tensor_parallel
              << " tensor ranks, prompt " << i << ", position " << t;
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Variants, VariantsTest, ::testing::ValuesIn(kVariants),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace switchyard::testing
