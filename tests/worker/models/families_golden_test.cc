// The bundled models of other families against what transformers computed from them: logits,
// answers and the tensors inside, within the tolerances of models/NAME/goldens/README.md.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/testing/compare.h"
#include "tests/testing/golden.h"
#include "tests/testing/prompt_runner.h"
#include "tests/worker/models/engine_parts.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::testing {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct Tolerances {
  double logits = 0;  // at any position
  double logits_99 = kInfinity;
  double logits_median = kInfinity;
  double trace = 0;
};

struct Case {
  const char* model;
  v1::ComputeMode compute;
  Tolerances allowed;
  // With inputs in whole numbers of 8 bits any answer may differ whose margin is within the error.
  v1::WeightForm weights = v1::WEIGHT_FORM_STORED;
  int most_wrong = 2;
};
std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.model; }

const Case kCases[] = {
    {"tiny-qwen2", v1::COMPUTE_MODE_F32, {.logits = 3.81e-4, .trace = 6.88e-5}},
    {"tiny-qwen2", v1::COMPUTE_MODE_BF16, {0.447, 0.291, 0.187, 0.084}},
    {"tiny-qwen2-awq", v1::COMPUTE_MODE_F32, {.logits = 4.25e-4, .trace = 1.04e-4}},
    {"tiny-qwen2-awq", v1::COMPUTE_MODE_BF16, {0.647, 0.481, 0.281, 0.207}},
    {"tiny-qwen2-gptq", v1::COMPUTE_MODE_F32, {.logits = 5.30e-4, .trace = 8.03e-5}},
    {"tiny-qwen2-gptq", v1::COMPUTE_MODE_BF16, {0.687, 0.478, 0.284, 0.143}},
    {"tiny-qwen2-awq", v1::COMPUTE_MODE_BF16, {0.647, 0.481, 0.281, 0.207}, v1::WEIGHT_FORM_Q4, 24},
    {"tiny-qwen2-gptq",
     v1::COMPUTE_MODE_BF16,
     {0.687, 0.478, 0.284, 0.143},
     v1::WEIGHT_FORM_Q4,
     24},
    {"tiny-llama", v1::COMPUTE_MODE_F32, {.logits = 1.12e-3, .trace = 8.43e-5}},
    {"tiny-llama", v1::COMPUTE_MODE_BF16, {0.683, 0.454, 0.250, 0.111}},
    {"tiny-qwen3-moe", v1::COMPUTE_MODE_F32, {.logits = 2.25e-4, .trace = 4.57e-5}},
    {"tiny-qwen3-moe", v1::COMPUTE_MODE_BF16, {1.326, 0.548, 0.128, 0.080}},
    {"tiny-deepseek-v2-lite", v1::COMPUTE_MODE_F32, {.logits = 5.16e-4, .trace = 8.62e-5}},
    {"tiny-deepseek-v2-lite", v1::COMPUTE_MODE_BF16, {1.276, 0.517, 0.239, 0.103}},
};

double LargestDifference(std::span<const float> got, std::span<const float> want) {
  EXPECT_EQ(got.size(), want.size());
  if (got.size() != want.size()) return kInfinity;
  double largest = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    const double difference = std::abs(double(got[i]) - want[i]);
    if (!(difference <= largest)) largest = difference;  // a NaN too
  }
  return largest;
}

// The reference lists a token's experts by score, the engine by id.
std::vector<int32_t> AscendingRows(GoldenTensor ids) {
  for (int64_t t = 0; t < ids.shape[0]; ++t) {
    const auto row = ids.ints.begin() + t * ids.columns();
    std::sort(row, row + ids.columns());
  }
  return ids.ints;
}

class FamiliesGoldenTest : public ::testing::TestWithParam<Case> {
 protected:
  bool IsF32() const { return GetParam().compute == v1::COMPUTE_MODE_F32; }

  const std::string folder_ = worker::BundledModel(GetParam().model);
  const std::vector<GoldenCase> cases_ = ReadGoldenCases(folder_);
};

TEST_P(FamiliesGoldenTest, LogitsAndAnswersAreThoseOfTheReference) {
  const auto runner = PromptRunner::Create(
      {.model_path = folder_, .compute = GetParam().compute, .weights = GetParam().weights},
      {.batch = 32, .max_tokens = 1024, .longest = 532});
  ASSERT_TRUE(runner.ok()) << runner.status();
  std::vector<PromptJob> jobs;
  for (const GoldenCase& golden : cases_) jobs.push_back({golden.prompt_tokens, 32});
  ASSERT_EQ(jobs.size(), 24u);
  const auto answers = (*runner)->Run(jobs, {.chunk = 512, .batch = 32, .end_token = -1});
  ASSERT_TRUE(answers.ok()) << answers.status();

  const GoldenFile file(folder_ + "/goldens/logits.safetensors");
  std::vector<double> errors;
  int wrong = 0;
  for (size_t i = 0; i < jobs.size(); ++i) {
    const GoldenTensor want = file.Get(fmt::format("logits.{}", i));
    const int64_t first = std::ssize(jobs[i].tokens) - want.shape[0];
    for (int64_t t = 0; t < want.shape[0]; ++t) {
      errors.push_back(LargestDifference((*answers)[i].rows[first + t], want.row(t)));
      EXPECT_LE(errors.back(), GetParam().allowed.logits) << "prompt " << i << ", row " << t;
    }
    if ((*answers)[i].generated == cases_[i].greedy_tokens) continue;
    ++wrong;
    EXPECT_LT(cases_[i].min_margin, 2 * GetParam().allowed.logits) << "prompt " << i;
  }
  EXPECT_EQ(errors.size(), 119u);
  EXPECT_LE(wrong, IsF32() ? 0 : GetParam().most_wrong);
  EXPECT_LE(Quantile(errors, 0.99), GetParam().allowed.logits_99);
  EXPECT_LE(Quantile(errors, 0.5), GetParam().allowed.logits_median);
  RecordProperty("logits", fmt::format("max {:.3g}, median {:.3g}, {} answers differ",
                                       Quantile(errors, 1), Quantile(errors, 0.5), wrong));
}

TEST_P(FamiliesGoldenTest, EveryLayerComputesWhatTheReferenceDid) {
  const GoldenFile file(folder_ + "/goldens/trace.safetensors");
  EngineParts parts(folder_, GetParam().compute,
                    IsF32() ? kernels::Compute::kF32 : kernels::Compute::kBf16,
                    GetParam().weights == v1::WEIGHT_FORM_Q4 ? kernels::WeightForm::kInt4
                                                             : kernels::WeightForm::kStored);
  parts.Forward(file.Get("tokens").ints);
  const auto expect = [&](const std::string& golden, const std::string& name, int layer) {
    EXPECT_LE(LargestDifference(parts.trace().at(name, layer).floats, file.Get(golden).floats),
              GetParam().allowed.trace)
        << golden;
  };
  EXPECT_EQ(parts.trace().at("hidden", 0).floats, file.Get("embed").floats);
  for (int layer = 0; layer < parts.spec().num_layers(); ++layer) {
    expect(fmt::format("attn.{}", layer), "attn", layer);
    // Recorded behind the layer; the engine shows what comes to the next.
    expect(fmt::format("hidden.{}", layer), "hidden", layer + 1);
    if (!parts.spec().has_moe() || layer < parts.spec().moe().first_moe_layer()) continue;
    const auto& ids = parts.trace().at("router_ids", layer);
    EXPECT_EQ(ids.ints, AscendingRows(file.Get(fmt::format("moe.{}.expert_ids", layer)))) << layer;
  }
  expect("final_norm", "final_norm", -1);
}

INSTANTIATE_TEST_SUITE_P(Models, FamiliesGoldenTest, ::testing::ValuesIn(kCases),
                         [](const auto& info) {
                           const bool f32 = info.param.compute == v1::COMPUTE_MODE_F32;
                           std::string name =
                               fmt::format("{}_{}", info.param.model, f32 ? "f32" : "bf16");
                           if (info.param.weights == v1::WEIGHT_FORM_Q4) name += "_q4";
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace switchyard::testing
