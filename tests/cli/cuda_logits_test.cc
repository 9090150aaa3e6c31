// `switchyard logits --backend cuda`, on the emulator: the recorded numbers and tokens within their
// tolerances, and the same bits whatever the layout, the batch and the chunk.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <span>

#include "cli/logits_command.h"
#include "tests/cli/recorded_logits.h"
#include "tests/testing/compressed_fp8.h"
#include "tests/testing/golden.h"

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

class CudaLogits : public ::testing::TestWithParam<const char*> {
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
  const std::string folder_ = fmt::format("{}/cuda_logits.{}", ::testing::TempDir(), getpid());
};

// Activations are BF16 here: both modes are held to the rows of bf16 arithmetic.
TEST_P(CudaLogits, StaysWithinItsTolerancesAndGivesTheTokens) {
  const bool w8a8 = std::string_view(GetParam()) == "w8a8";
  const std::vector<Json> prompts = ShortPrompts(20);
  const Tensors got = Run(prompts, {.chunk = 64, .batch = 8});
  ASSERT_FALSE(got.empty());
  ExpectWithin(w8a8 ? kBf16OfW8a8 : kBf16OfW8a32,
               LastErrors(got, w8a8 ? "w8a8" : "w8a32", prompts));
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

struct FamilyCase {
  const char* model;
  // Of models/NAME/goldens/README.md, BF16, by position.
  double largest, of_99_percent, median;
  int most_wrong = 0;  // answers that may differ, where their margins are within the error
};
std::ostream& operator<<(std::ostream& out, const FamilyCase& c) { return out << c.model; }

class CudaFamilyLogits : public ::testing::TestWithParam<FamilyCase> {
 protected:
  CudaFamilyLogits() { std::filesystem::create_directories(folder_); }
  ~CudaFamilyLogits() override { std::filesystem::remove_all(folder_); }

  // The recorded prompts of up to `longest` tokens.
  Tensors Run(LogitsOptions options, size_t longest) {
    std::ofstream file(folder_ + "/prompts.jsonl");
    for (const testing::GoldenCase& golden : cases_) {
      if (golden.prompt_tokens.size() > longest) continue;
      file << Json{{"id", golden.id}, {"prompt_tokens", golden.prompt_tokens}}.dump() << "\n";
    }
    file.close();
    options.model_path = model_;
    options.prompts_path = folder_ + "/prompts.jsonl";
    options.out_path = folder_ + "/out.safetensors";
    options.backend = "cuda";
    options.greedy = kGreedy;
    const absl::Status status = RunLogits(options);
    EXPECT_TRUE(status.ok()) << status;
    return status.ok() ? ReadTensors(options.out_path) : Tensors();
  }
  template <typename T>
  static std::span<const T> Values(const Tensors& tensors, const std::string& name) {
    const std::vector<std::byte>& bytes = tensors.at(name);
    return {reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T)};
  }

  const std::string folder_ = fmt::format("{}/cuda_dense.{}", ::testing::TempDir(), getpid());
  const std::string model_ = std::string(SWITCHYARD_SOURCE_DIR "/models/") + GetParam().model;
  const std::vector<testing::GoldenCase> cases_ = testing::ReadGoldenCases(model_);
};

TEST_P(CudaFamilyLogits, StaysWithinItsTolerancesAndGivesTheTokens) {
  const Tensors got = Run({.chunk = 64, .batch = 8}, 130);
  ASSERT_FALSE(got.empty());
  const testing::GoldenFile file(model_ + "/goldens/logits.safetensors");
  std::vector<double> errors;
  int wrong = 0;
  for (const testing::GoldenCase& golden : cases_) {
    if (golden.prompt_tokens.size() > 130) continue;
    const testing::GoldenTensor want = file.Get("logits." + golden.id);
    const auto logits = Values<float>(got, "logits." + golden.id).last(want.floats.size());
    for (int64_t row = 0; row < want.shape[0]; ++row) {
      const auto of_row = logits.subspan(row * want.columns(), want.columns());
      errors.push_back(testing::CompareLogits(of_row, want.row(row)).max_abs);
    }
    const auto tokens = Values<int32_t>(got, "tokens." + golden.id);
    if (std::ranges::equal(tokens, std::span(golden.greedy_tokens).first(kGreedy))) continue;
    ++wrong;
    EXPECT_LT(golden.min_margin, 2 * GetParam().largest) << golden.id;
  }
  EXPECT_LE(wrong, GetParam().most_wrong);
  EXPECT_GT(errors.size(), 100u);
  EXPECT_LE(testing::Quantile(errors, 1), GetParam().largest);
  EXPECT_LE(testing::Quantile(errors, 0.99), GetParam().of_99_percent);
  EXPECT_LE(testing::Quantile(errors, 0.5), GetParam().median);
}

// Two key-value heads: split over two ranks, shared by two of four.
TEST_P(CudaFamilyLogits, BitsDoNotDependOnLayoutBatchOrChunk) {
  const Tensors expected = Run({.chunk = 64, .batch = 8}, 17);
  ASSERT_FALSE(expected.empty());
  for (const auto& [dp, tp, chunk, batch] :
       {std::array{1, 1, 5, 1}, {2, 2, 16, 2}, {1, 4, 7, 3}, {4, 1, 64, 1}}) {
    const Tensors got =
        Run({.data_parallel = dp, .tensor_parallel = tp, .chunk = chunk, .batch = batch}, 17);
    EXPECT_TRUE(got == expected) << dp << " x " << tp;
  }
}

// A checkpoint as compressed-tensors writes it, a scale for each row: GPUs are held against CPUs in
// FP32, within the tolerances of tiny-qwen2's BF16 arithmetic.
TEST(CudaFp8Logits, RowScalesOfCompressedTensorsAreThoseOfCpus) {
  const std::string folder = fmt::format("{}/cuda_fp8.{}", ::testing::TempDir(), getpid());
  const std::string plain = SWITCHYARD_SOURCE_DIR "/models/tiny-qwen2";
  std::filesystem::create_directories(folder);
  testing::WriteCompressedFp8(plain, folder + "/model", "channel");
  std::ofstream file(folder + "/prompts.jsonl");
  for (const testing::GoldenCase& golden : testing::ReadGoldenCases(plain)) {
    if (golden.prompt_tokens.size() > 65) continue;
    file << Json{{"id", golden.id}, {"prompt_tokens", golden.prompt_tokens}}.dump() << "\n";
  }
  file.close();
  const auto run = [&](const char* backend, const char* compute) {
    const LogitsOptions options{.model_path = folder + "/model",
                                .prompts_path = folder + "/prompts.jsonl",
                                .out_path = folder + "/out.safetensors",
                                .compute = compute,
                                .chunk = 64,
                                .backend = backend};
    const absl::Status status = RunLogits(options);
    EXPECT_TRUE(status.ok()) << status;
    return status.ok() ? ReadTensors(options.out_path) : Tensors();
  };
  const Tensors want = run("cpu", "f32"), got = run("cuda", "bf16");
  ASSERT_FALSE(want.empty());
  ASSERT_EQ(got.size(), want.size());
  constexpr size_t kVocabulary = 640;
  std::vector<double> errors;
  for (const auto& [name, bytes] : want) {
    const auto* const logits = reinterpret_cast<const float*>(bytes.data());
    const auto* const cuda = reinterpret_cast<const float*>(got.at(name).data());
    const size_t count = bytes.size() / sizeof(float);
    ASSERT_EQ(got.at(name).size(), bytes.size());
    for (size_t row = 0; row < count; row += kVocabulary) {
      errors.push_back(
          testing::CompareLogits({cuda + row, kVocabulary}, {logits + row, kVocabulary}).max_abs);
    }
  }
  EXPECT_GT(errors.size(), 100u);
  EXPECT_LE(testing::Quantile(errors, 1), 0.447);
  EXPECT_LE(testing::Quantile(errors, 0.99), 0.291);
  EXPECT_LE(testing::Quantile(errors, 0.5), 0.187);
  std::filesystem::remove_all(folder);
}

INSTANTIATE_TEST_SUITE_P(Models, CudaFamilyLogits,
                         ::testing::Values(FamilyCase{"tiny-qwen2", 0.447, 0.291, 0.187},
                                           FamilyCase{"tiny-llama", 0.683, 0.454, 0.250},
                                           FamilyCase{"tiny-qwen3-moe", 1.326, 0.548, 0.128},
                                           FamilyCase{"tiny-gemma3", 0.912, 0.643, 0.332},
                                           FamilyCase{"tiny-gpt-oss", 3.150, 1.791, 0.270, 2},
                                           FamilyCase{"tiny-qwen2-awq", 0.647, 0.481, 0.281},
                                           FamilyCase{"tiny-qwen2-gptq", 0.687, 0.478, 0.284}),
                         [](const auto& info) {
                           std::string name = info.param.model;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

INSTANTIATE_TEST_SUITE_P(Modes, CudaLogits, ::testing::Values("bf16", "w8a8"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace switchyard::cli
