// Bounds of time, against figures that were computed by hand for the published model.
#include "coordinator/core/plan/step_bound.h"

#include <gtest/gtest.h>

#include <string>

#include "coordinator/core/plan/expert_spread.h"
#include "coordinator/core/plan/hf_config.h"
#include "tests/coordinator/core/deepseek_v3_config.h"

namespace switchyard::core {
namespace {

v1::ModelSpec DeepseekV3() { return *ParseHfConfig(kDeepseekV3Config); }

double TokensPerSecond(const StepShape& shape, const DeviceFigures& device) {
  return double(shape.rows) / SecondsOf(StepBound(DeepseekV3(), shape), device).total();
}

// What QwQ-32B publishes, and Mixtral 8x7B with the window of its first version.
v1::ModelSpec Qwq() {
  return *ParseHfConfig(R"({"model_type": "qwen2", "hidden_size": 5120, "num_hidden_layers": 64,
      "intermediate_size": 27648, "num_attention_heads": 40, "num_key_value_heads": 8,
      "rms_norm_eps": 1e-5, "rope_theta": 1e6, "vocab_size": 152064, "tie_word_embeddings": false,
      "use_sliding_window": false, "max_position_embeddings": 131072, "hidden_act": "silu",
      "torch_dtype": "bfloat16"})");
}

v1::ModelSpec Mixtral(int window) {
  std::string config = R"({"model_type": "mixtral", "hidden_size": 4096, "num_hidden_layers": 32,
      "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8,
      "num_local_experts": 8, "num_experts_per_tok": 2, "rms_norm_eps": 1e-5, "rope_theta": 1e6,
      "vocab_size": 32000, "tie_word_embeddings": false, "max_position_embeddings": 32768,
      "hidden_act": "silu", "torch_dtype": "bfloat16")";
  if (window > 0) config += ", \"sliding_window\": " + std::to_string(window);
  return *ParseHfConfig(config + "}");
}

double Total(const std::vector<OpBound>& ops, double kernels::OpCost::*part) {
  double sum = 0;
  for (const OpBound& op : ops) {
    if (op.unit == Unit::kFp8 || op.unit == Unit::kBf16) sum += op.cost.*part;
  }
  return sum;
}

// Of 58 layers, 8 copies of a token take 7,392 bytes out and 14,336 back each, 50 GB/s: the share
// that leaves a host of 8 decides.
TEST(StepBound, DecodeIsBoundByTheNetworkFromSixtyFourGpusOn) {
  const auto tokens_per_s = [](int64_t gpus) {
    return TokensPerSecond({.rows = 128, .context = 2000, .experts_per_gpu = 2, .gpus = gpus},
                           kH800);
  };
  const double copy_bytes = 58 * 8 * (7392 + 14336);
  for (const int64_t gpus : {72, 128, 144}) {
    EXPECT_NEAR(tokens_per_s(gpus), 50e9 / (copy_bytes * (1 - 8.0 / double(gpus))), 1) << gpus;
  }
  EXPECT_NEAR(tokens_per_s(144), 5251, 1);
}

// Two of eight groups lie on each of four hosts, and a token chooses four groups: it leaves its
// host for 2.2 others.
TEST(StepBound, PrefillThatEntersAHostOnceIsBoundByTheHostsThatATokenReaches) {
  const StepShape shape{.rows = 16384,
                        .context = 4096,
                        .decode = false,
                        .experts_per_gpu = 9,
                        .gpus = 32,
                        .exchange = {.once = ExchangeForm::Once::kHost}};
  const double hosts = ExpectedParts(DeepseekV3().moe(), 4) * 3 / 4;
  EXPECT_NEAR(hosts, 2.20, 0.005);
  EXPECT_NEAR(TokensPerSecond(shape, kH800), 50e9 / (58 * hosts * (7392 + 14336)), 1);
}

// 73.25 GFLOP a token beside attention, of which 16.99 MFLOP for each cached token.
TEST(StepBound, CountsTheArithmeticOfAToken) {
  const auto flops = [](int64_t context) {
    return Total(
        StepBound(DeepseekV3(), {.rows = 1, .context = context, .experts_per_gpu = 8, .gpus = 8}),
        &kernels::OpCost::flops);
  };
  EXPECT_NEAR(flops(4096) - flops(0), 4096 * 16.99e6, 1e7);
  // The gate is counted three times, as it is computed.
  EXPECT_NEAR(flops(0), 73.25e9 + 2 * 0.21e9, 0.05e9);
}

kernels::OpCost CostOf(const std::vector<OpBound>& ops, std::string_view name) {
  for (const OpBound& op : ops) {
    if (op.name == name) return op.cost;
  }
  return {};
}

// 32.76 billion weights, of which the embedding's 0.78 are not multiplied: one token reads the
// others, and 64 layers x 2 x 8 heads x 128 numbers of each token before it.
TEST(StepBound, GroupedQueriesReadEveryWeightAndTheKeysAndValues) {
  const auto bytes = [](int64_t context) {
    return Total(
        StepBound(Qwq(),
                  {.rows = 1, .context = context, .gpus = 1, .weight = kernels::DType::kBf16}),
        &kernels::OpCost::bytes);
  };
  EXPECT_NEAR(bytes(0), 2 * (32.76e9 - 0.78e9), 0.02e9);
  EXPECT_EQ(bytes(1000) - bytes(0), 1000.0 * 64 * 2 * 8 * 128 * 2);
  const auto flops = [](int64_t context) {
    return Total(
        StepBound(Qwq(),
                  {.rows = 1, .context = context, .gpus = 1, .weight = kernels::DType::kBf16}),
        &kernels::OpCost::flops);
  };
  EXPECT_NEAR(flops(0), 2 * (32.76e9 - 0.78e9), 0.02e9);
  EXPECT_EQ(flops(1000) - flops(0), 1000.0 * 64 * 4 * 40 * 128);
}

TEST(StepBound, RanksHaveTheirHeadsAndWholeKeyValueHeads) {
  StepShape shape{.rows = 16, .context = 2000, .gpus = 1, .weight = kernels::DType::kBf16};
  const std::vector<OpBound> alone = StepBound(Qwq(), shape);
  shape.tensor_parallel = 4;
  shape.gpus = 4;
  const std::vector<OpBound> shared = StepBound(Qwq(), shape);
  const kernels::OpCost one = CostOf(alone, "attention, core");
  EXPECT_EQ(CostOf(shared, "attention, core").bytes, one.bytes / 4);
  EXPECT_EQ(CostOf(shared, "attention, core").flops, one.flops / 4);
  EXPECT_EQ(CostOf(shared, "dense MLPs").flops, CostOf(alone, "dense MLPs").flops / 4);
  // 64 attentions, 64 MLPs and the embedding.
  EXPECT_NEAR(CostOf(shared, "sums of the group").bytes, 3.0 / 4 * 16 * 5120 * 2 * 4 * 129, 1);
}

// A token of a prompt sees half of it on average; with a window, what the window holds.
TEST(StepBound, PromptsAreCausalAndWindowsBoundWhatIsSeen) {
  const StepShape prompt{
      .rows = 8192, .context = 8192, .decode = false, .gpus = 1, .weight = kernels::DType::kBf16};
  const double all = CostOf(StepBound(Mixtral(0), prompt), "attention, core").flops;
  EXPECT_EQ(all, 32 * 4 * (8192.0 * 8192 / 2) * 32 * 128);
  const double windowed = CostOf(StepBound(Mixtral(4096), prompt), "attention, core").flops;
  EXPECT_EQ(windowed, 32 * 4 * (4096.0 * 4096 / 2 + 4096.0 * 4096) * 32 * 128);
  StepShape decode{.rows = 3, .context = 8192, .gpus = 1, .weight = kernels::DType::kBf16};
  const double far = CostOf(StepBound(Mixtral(4096), decode), "attention, core").flops;
  decode.context = 4096;
  EXPECT_EQ(far, CostOf(StepBound(Mixtral(0), decode), "attention, core").flops);
}

// 4.5 bits a weight with scales of whole numbers, 4.25 in MXFP4, of which only experts are.
TEST(StepBound, CodesThatAreKeptAreAQuarterOfTheBytes) {
  StepShape shape{
      .rows = 4, .context = 100, .experts_per_gpu = 8, .gpus = 1, .weight = kernels::DType::kBf16};
  v1::ModelSpec model = Mixtral(0);
  const auto bytes = [&](const char* op) { return CostOf(StepBound(model, shape), op).bytes; };
  const double experts = bytes("routed experts"), attention = bytes("attention, projection out");
  shape.keeps_codes = true;
  EXPECT_EQ(bytes("routed experts"), experts) << "a checkpoint in BF16";
  model.mutable_moe()->set_mxfp4(true);
  EXPECT_EQ(experts - bytes("routed experts"), 32 * 8 * 3 * 4096.0 * 14336 * (2 - 4.25 / 8));
  EXPECT_EQ(bytes("attention, projection out"), attention);
  model.mutable_groups()->set_columns(128);
  EXPECT_EQ(attention - bytes("attention, projection out"), 32 * 4096.0 * 4096 * (2 - 4.5 / 8));
}

TEST(StepBound, MixturesWithoutSharedExpertsOrDenseLayersHaveNoneInTheTable) {
  const StepShape shape{
      .rows = 4, .context = 100, .experts_per_gpu = 8, .gpus = 1, .weight = kernels::DType::kBf16};
  const std::vector<OpBound> ops = StepBound(Mixtral(0), shape);
  for (const OpBound& op : ops) {
    EXPECT_NE(op.name, "shared experts");
    EXPECT_NE(op.name, "dense MLPs");
  }
  // Two of eight experts for each of four tokens: all eight are read.
  EXPECT_NEAR(CostOf(ops, "routed experts").bytes, 32 * 8 * 3 * 4096.0 * 14336 * 2, 1e8);
}

TEST(StepBound, RanksOfAGroupShareAttentionAndAddTheirSums) {
  StepShape shape{.rows = 64, .context = 4096, .experts_per_gpu = 32, .gpus = 8};
  const std::vector<OpBound> alone = StepBound(DeepseekV3(), shape);
  shape.tensor_parallel = 8;
  const std::vector<OpBound> shared = StepBound(DeepseekV3(), shape);
  const auto cost = [](const std::vector<OpBound>& ops, std::string_view name) {
    for (const OpBound& op : ops) {
      if (op.name == name) return op.cost;
    }
    return kernels::OpCost{};
  };
  EXPECT_EQ(cost(alone, "sums of the group").bytes, 0);
  // A rank of eight gets 7/8 of what it adds, and 7/8 of what the others added: 61 attentions, 3
  // dense MLPs and the embedding in F32; and the rows of 58 layers that others routed, in BF16.
  EXPECT_NEAR(cost(shared, "sums of the group").bytes, 7.0 / 8 * 64 * 7168 * (2 * 4 * 65 + 2 * 58),
              1);
  EXPECT_EQ(cost(shared, "attention, core").flops, cost(alone, "attention, core").flops / 8);
  EXPECT_EQ(cost(shared, "attention, core").bytes, cost(alone, "attention, core").bytes)
      << "every rank reads all latents";
  // Groups over several hosts add over the network.
  shape.gpus_per_node = 4;
  for (const OpBound& op : StepBound(DeepseekV3(), shape)) {
    if (op.name == "sums of the group") {
      EXPECT_EQ(op.unit, Unit::kNetwork);
    }
  }
}

TEST(ExpertSpread, EveryPartOfWhatATokenCanReach) {
  v1::MoeSpec moe = DeepseekV3().moe();
  EXPECT_NEAR(ExpectedParts(moe, 1), 1, 1e-12);
  EXPECT_NEAR(ExpectedParts(moe, 256), 8, 1e-9) << "each expert alone";
  EXPECT_NEAR(ExpectedParts(moe, 8) * 7 / 8, 3.17, 0.01);
  // Without groups: eight of 256 miss the 14.2 of one host of 18 by 0.6289.
  moe.set_num_groups(1);
  moe.set_top_groups(1);
  EXPECT_NEAR(ExpectedParts(moe, 18), 18 * (1 - 0.6289), 0.01);
}

}  // namespace
}  // namespace switchyard::core
