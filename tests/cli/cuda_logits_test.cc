// `switchyard logits --backend cuda`, on the emulator: the recorded numbers and tokens within their
// tolerances, and the same bits whatever the layout, the batch and the chunk.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "cli/logits_command.h"
#include "tests/cli/recorded_logits.h"

namespace switchyard::cli {
namespace {

constexpr int kGreedy = 6;

// The shortest recorded prompts: the emulator is slow.
std::vector<Json> ShortPrompts(size_t count) {
  std::vector<Json> prompts = ReadPrompts();
  std::stable_sort(prompts.begin(), prompts.end(), [](const Json& a, const Json& b) {
    return a["prompt_tokens"].size() < b["prompt_tokens"].size();
  });
  prompts.resize(count);
  return prompts;
}

class CudaLogits : public testing::TestWithParam<const char*> {
 protected:
  CudaLogits() { std::filesystem::create_directories(folder_); }
  ~CudaLogits() override { std::filesystem::remove_all(folder_); }

  Tensors Run(const std::vector<Json>& prompts, LogitsOptions options) {
    std::ofstream file(folder_ + "/prompts.jsonl");
    for (const Json& prompt : prompts) {
      file << Json{{"id", prompt["id"]}, {"prompt_tokens", prompt["prompt_tokens"]}}.dump() << "\n";
    }
    file.close();
    options.model_path = kModel;
    options.prompts_path = folder_ + "/prompts.jsonl";
    options.out_path = folder_ + "/out.safetensors";
    options.compute = GetParam();
    options.backend = "cuda";
    options.greedy = kGreedy;
    const absl::Status status = RunLogits(options);
    EXPECT_TRUE(status.ok()) << status;
    return status.ok() ? ReadTensors(options.out_path) : Tensors();
  }

 private:
  const std::string folder_ = fmt::format("{}/cuda_logits.{}", testing::TempDir(), getpid());
};

// Activations are BF16 here: both modes are held to the rows of bf16 arithmetic in
// models/tiny-r1/goldens/README.md.
TEST_P(CudaLogits, StaysWithinItsTolerancesAndGivesTheTokens) {
  const bool w8a8 = std::string_view(GetParam()) == "w8a8";
  const std::vector<Json> prompts = ShortPrompts(20);
  const Tensors got = Run(prompts, {.chunk = 64, .batch = 8});
  ASSERT_FALSE(got.empty());
  const std::vector<double> errors = LastErrors(got, w8a8 ? "w8a8" : "w8a32", prompts);
  EXPECT_LT(errors.back(), w8a8 ? 10.5 : 4.26);
  EXPECT_LT(errors[errors.size() * 9 / 10], 1.5 * (w8a8 ? 1.5 : 0.27));
  EXPECT_LT(errors[errors.size() / 2], 1.5 * (w8a8 ? 0.49 : 0.087));
  EXPECT_EQ(WrongAnswers(got, prompts), 0);
}

TEST_P(CudaLogits, BitsDoNotDependOnLayoutBatchOrChunk) {
  struct Variant {
    int dp, tp, chunk, batch;
  };
  const std::vector<Json> prompts = ShortPrompts(3);
  const Tensors expected = Run(prompts, {.chunk = 64, .batch = 8});
  ASSERT_FALSE(expected.empty());
  for (const Variant& v : {Variant{1, 1, 5, 1}, {2, 2, 16, 2}, {1, 4, 7, 3}, {4, 1, 64, 1}}) {
    const Tensors got =
        Run(prompts,
            {.data_parallel = v.dp, .tensor_parallel = v.tp, .chunk = v.chunk, .batch = v.batch});
    EXPECT_TRUE(got == expected) << v.dp << " x " << v.tp << ", chunks of " << v.chunk
                                 << ", batches of " << v.batch;
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, CudaLogits, testing::Values("bf16", "w8a8"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace switchyard::cli
