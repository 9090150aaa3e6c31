// `switchyard logits` against the bundled model's recorded results: the numbers in every
// arithmetic, the greedy tokens, and the same bits whatever the layout, the batch and the chunk.
#include "cli/logits_command.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/units.h"
#include "tests/cli/recorded_logits.h"

namespace switchyard::cli {
namespace {

// Apart from other runs of this test.
std::string OwnPath(std::string_view name) {
  return fmt::format("{}/logits_command.{}.{}", ::testing::TempDir(), getpid(), name);
}

class LogitsCommand : public ::testing::Test {
 protected:
  LogitsCommand() : out_(OwnPath("test.safetensors")) {}
  ~LogitsCommand() override { std::filesystem::remove(out_); }

  Tensors Run(LogitsOptions options) {
    options.model_path = kModel;
    if (options.prompts_path.empty()) options.prompts_path = kPrompts;
    options.out_path = out_;
    const absl::Status status = RunLogits(options);
    EXPECT_TRUE(status.ok()) << status;
    return ReadTensors(out_);
  }

  const std::string out_;
};

// Tolerances: models/tiny-r1/goldens/README.md.
TEST_F(LogitsCommand, Fp32GivesTheRecordedLogitsAndTokens) {
  const std::vector<Json> prompts = ReadPrompts();
  ASSERT_EQ(prompts.size(), 64u);
  const auto got = Run({.compute = "f32", .greedy = 64});
  EXPECT_LT(Largest(LastErrors(got, "w8a32", prompts)).back(), 0.00344);
  EXPECT_EQ(WrongAnswers(got, prompts), 0);
}

TEST_F(LogitsCommand, Bf16StaysWithinItsTolerancesAndGivesTheTokens) {
  const std::vector<Json> prompts = ReadPrompts();
  const auto got = Run({.compute = "bf16", .greedy = 64});
  ExpectWithin(kBf16OfW8a32, LastErrors(got, "w8a32", prompts));
  EXPECT_EQ(WrongAnswers(got, prompts), 0);
}

TEST_F(LogitsCommand, W8a8StaysWithinItsTolerancesAndGivesTheTokens) {
  const std::vector<Json> prompts = ReadPrompts();
  const auto got = Run({.compute = "w8a8", .greedy = 64});
  const std::vector<double> errors = Largest(LastErrors(got, "w8a8", prompts));
  EXPECT_LT(errors.back(), 8.11);
  EXPECT_LT(errors[errors.size() / 2], 0.000114);
  EXPECT_LE(WrongAnswers(got, prompts),
            4);  // decode is absorbed, the record naive (MODEL_SPECS 1.7)
}

// Every fifth prompt: layout_test and golden_test have them all.
TEST_F(LogitsCommand, BitsDoNotDependOnLayoutBatchOrChunk) {
  const std::string prompts_path = OwnPath("prompts.jsonl");
  const std::vector<Json> prompts = ReadPrompts();
  std::string lines;
  for (size_t i = 0; i < prompts.size(); i += 5) lines += prompts[i].dump() + "\n";
  ASSERT_TRUE(WriteFile(prompts_path, lines).ok());
  struct Variant {
    int dp, tp, chunk, batch;
  };
  for (const char* compute : {"bf16", "w8a8", "f32"}) {
    const auto expected = Run(
        {.prompts_path = prompts_path, .compute = compute, .chunk = 64, .batch = 8, .greedy = 16});
    ASSERT_FALSE(expected.empty());
    for (const Variant& v : {Variant{2, 1, 512, 7},
                             {4, 1, 16, 3},
                             {1, 2, 7, 32},
                             {1, 4, 64, 5},
                             {2, 2, 1, 32},
                             {1, 1, 512, 1}}) {
      const auto got = Run({.prompts_path = prompts_path,
                            .compute = compute,
                            .data_parallel = v.dp,
                            .tensor_parallel = v.tp,
                            .chunk = v.chunk,
                            .batch = v.batch,
                            .greedy = 16});
      EXPECT_TRUE(got == expected) << compute << ": " << v.dp << " x " << v.tp << ", chunks of "
                                   << v.chunk << ", batches of " << v.batch;
    }
  }
  std::filesystem::remove(prompts_path);
}

TEST_F(LogitsCommand, ABadPromptIsNamedByLineAndField) {
  const std::string path = OwnPath("test.jsonl");
  const auto message = [&](const std::string& text) {
    EXPECT_TRUE(WriteFile(path, text).ok());
    const absl::Status status =
        RunLogits({.model_path = kModel, .prompts_path = path, .out_path = out_});
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    return std::string(status.message());
  };
  EXPECT_NE(message("{\"prompt_tokens\": [1]}\n{\"prompt_tokens\": [4096]}").find("line 2"),
            std::string::npos);
  EXPECT_NE(message("{\"prompt_tokens\": []}").find("\"prompt_tokens\""), std::string::npos);
  EXPECT_NE(message("{\"prompt_tokens\": [1.5]}").find("1.5 is no token"), std::string::npos);
  EXPECT_NE(message("[1]").find("line 1: not a JSON object"), std::string::npos);
  EXPECT_NE(message("").find("no prompts"), std::string::npos);
  EXPECT_NE(message("{\"prompt_tokens\": [1], \"id\": \"a\\nb\"}").find("\"id\""),
            std::string::npos);
  EXPECT_NE(message("{\"prompt_tokens\": [1], \"id\": \"\"}").find("\"id\""), std::string::npos);
  EXPECT_NE(message("{\"prompt_tokens\": [1], \"id\": 1}\n{\"prompt_tokens\": [1]}").find("twice"),
            std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(out_)) << "nothing half-made stays behind";
  std::filesystem::remove(path);
}

TEST_F(LogitsCommand, AnInterruptLeavesNoFile) {
  const std::atomic<bool> cancel{true};
  const absl::Status status = RunLogits(
      {.model_path = kModel, .prompts_path = kPrompts, .out_path = out_, .cancel = &cancel});
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled) << status;
  EXPECT_FALSE(std::filesystem::exists(out_));
  EXPECT_FALSE(std::filesystem::exists(out_ + ".partial"));
}

TEST_F(LogitsCommand, MoreThanTheMachineHoldsIsRefusedBeforeItIsAskedFor) {
  const std::string folder = OwnPath("petabyte");
  std::filesystem::create_directory(folder);
  Json config = *ParseJson(*ReadFile(std::string(kModel) + "/config.json", kMiB));
  config["hidden_size"] = 8192;
  config["num_hidden_layers"] = 256;
  config["n_routed_experts"] = 16384;
  config["moe_intermediate_size"] = 4096;
  ASSERT_TRUE(WriteFile(folder + "/config.json", config.dump()).ok());
  const absl::Status status =
      RunLogits({.model_path = folder, .prompts_path = kPrompts, .out_path = out_});
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_FALSE(std::filesystem::exists(out_ + ".partial"));
  std::filesystem::remove_all(folder);
}

TEST_F(LogitsCommand, FlagsOutOfRangeAreNamed) {
  const auto message = [&](LogitsOptions options) {
    options.model_path = kModel;
    options.prompts_path = kPrompts;
    options.out_path = out_;
    const absl::Status status = RunLogits(options);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  };
  EXPECT_NE(message({.chunk = 0}).find("--chunk"), std::string::npos);
  EXPECT_NE(message({.batch = 0}).find("--batch"), std::string::npos);
  EXPECT_NE(message({.chunk = 1024, .batch = 1024}).find("--chunk times --batch"),
            std::string::npos);
  EXPECT_NE(message({.greedy = -1}).find("--greedy"), std::string::npos);
  EXPECT_NE(message({.compute = "f16"}).find("--compute"), std::string::npos);
  EXPECT_NE(message({.weights = "q5"}).find("--weights"), std::string::npos);
  EXPECT_NE(message({.compute = "f32", .weights = "q4"}).find("weights = q4: needs compute"),
            std::string::npos);
}

}  // namespace
}  // namespace switchyard::cli
