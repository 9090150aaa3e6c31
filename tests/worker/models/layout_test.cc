// One model, any layout, any batch, any chunks, any order of arrival: the same bits (ARCHITECTURE
// 1.5).
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/testing/compare.h"
#include "tests/testing/golden.h"
#include "tests/testing/prompt_runner.h"
#include "tests/testing/ranks.h"
#include "tests/worker/weights/checkpoint_files.h"

namespace switchyard::testing {
namespace {

constexpr char kTinyR1[] = "tiny-r1";

struct Layout {
  int data_parallel;
  int tensor_parallel;
};
std::string Name(const Layout& layout) {
  return fmt::format("{}x{}", layout.data_parallel, layout.tensor_parallel);
}

struct Case {
  const char* model;
  v1::ComputeMode compute;
  Layout layout;
  v1::WeightForm weights = v1::WEIGHT_FORM_STORED;
};

std::string CaseName(const ::testing::TestParamInfo<Case>& info) {
  const char* const modes[] = {"", "bf16", "f32", "w8a8"};
  std::string name =
      fmt::format("{}_{}_{}", info.param.model, modes[info.param.compute], Name(info.param.layout));
  const char* const forms[] = {"", "_q8", "_q4"};
  name += forms[info.param.weights];
  std::ranges::replace(name, '-', '_');
  return name;
}

std::unique_ptr<PromptRunner> MakeRunner(const Case& param) {
  auto runner = PromptRunner::Create({.model_path = worker::BundledModel(param.model),
                                      .data_parallel = param.layout.data_parallel,
                                      .tensor_parallel = param.layout.tensor_parallel,
                                      .compute = param.compute,
                                      .weights = param.weights},
                                     {.batch = 32, .max_tokens = 600, .longest = 160});
  EXPECT_TRUE(runner.ok()) << runner.status();
  return runner.ok() ? *std::move(runner) : nullptr;
}

// Every third of the recorded prompts, with the first tokens of their answers.
std::vector<PromptJob> Jobs(const std::string& model) {
  std::vector<PromptJob> jobs;
  const std::vector<GoldenCase> cases = ReadGoldenCases(worker::BundledModel(model));
  for (size_t i = 0; i < cases.size(); i += 3) {
    if (cases[i].prompt_tokens.size() <= 150) jobs.push_back({cases[i].prompt_tokens, 6});
  }
  return jobs;
}

// What one rank computes alone, all prompts in one batch.
const std::vector<PromptAnswer>& Alone(const char* model, v1::ComputeMode compute,
                                       v1::WeightForm weights = v1::WEIGHT_FORM_STORED) {
  using Key = std::tuple<std::string, v1::ComputeMode, v1::WeightForm>;
  static std::map<Key, std::vector<PromptAnswer>> kept;
  std::vector<PromptAnswer>& answers = kept[{model, compute, weights}];
  if (answers.empty()) {
    const auto runner = MakeRunner({model, compute, {1, 1}, weights});
    answers = *runner->Run(Jobs(model), {.chunk = 512, .batch = 32});
  }
  return answers;
}

void ExpectSame(const std::vector<PromptAnswer>& got, const std::vector<PromptAnswer>& want,
                const std::string& what) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].generated, want[i].generated) << what << ", prompt " << i;
    EXPECT_EQ(got[i].logprobs, want[i].logprobs) << what << ", prompt " << i;
    ASSERT_EQ(got[i].rows.size(), want[i].rows.size());
    for (size_t t = 0; t < got[i].rows.size(); ++t) {
      ASSERT_EQ(got[i].rows[t].empty(), want[i].rows[t].empty());
      ASSERT_TRUE(SameBits(got[i].rows[t], want[i].rows[t], std::ssize(got[i].rows[t])))
          << what << ", prompt " << i << ", position " << t;
    }
  }
}

class LayoutTest : public ::testing::TestWithParam<Case> {};

TEST_P(LayoutTest, GivesTheBitsOfOneRankAlone) {
  const auto runner = MakeRunner(GetParam());
  ASSERT_NE(runner, nullptr);
  const std::vector<PromptJob> jobs = Jobs(GetParam().model);
  const std::vector<PromptAnswer>& want =
      Alone(GetParam().model, GetParam().compute, GetParam().weights);
  const Schedule schedules[] = {
      {.chunk = 16, .batch = 7},
      {.chunk = 0, .batch = 7, .seed = 1},  // chunks of 1, 7, 16 and 512
      {.chunk = 0, .batch = 32, .seed = 2},
  };
  for (const Schedule& schedule : schedules) {
    const auto got = runner->Run(jobs, schedule);
    ASSERT_TRUE(got.ok()) << got.status();
    ExpectSame(
        *got, want,
        fmt::format("chunk {}, batch {}, seed {}", schedule.chunk, schedule.batch, schedule.seed));
  }
  // One sequence at a time is many steps: the shortest few will do.
  const auto single = runner->Run(std::span(jobs).first(5), {.chunk = 7, .batch = 1});
  ASSERT_TRUE(single.ok()) << single.status();
  ExpectSame(*single, {want.begin(), want.begin() + 5}, "one at a time");
}

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (v1::ComputeMode compute :
       {v1::COMPUTE_MODE_F32, v1::COMPUTE_MODE_BF16, v1::COMPUTE_MODE_W8A8}) {
    for (const Layout& layout :
         {Layout{1, 1}, Layout{2, 1}, Layout{4, 1}, Layout{1, 2}, Layout{1, 4}, Layout{2, 2}}) {
      cases.push_back({kTinyR1, compute, layout});
    }
  }
  // With two key-value heads: split over two ranks, shared by four and eight.
  for (const char* model : {"tiny-llama", "tiny-qwen2", "tiny-qwen3-moe"}) {
    for (v1::ComputeMode compute : {v1::COMPUTE_MODE_F32, v1::COMPUTE_MODE_BF16}) {
      for (const Layout& layout : {Layout{2, 1}, {1, 2}, {1, 4}, {1, 8}, {2, 2}}) {
        const bool four_heads = std::string_view(model) == "tiny-qwen3-moe";
        if (!four_heads || layout.tensor_parallel <= 4) cases.push_back({model, compute, layout});
      }
    }
  }
  // Columns of a rank, and of a virtual shard, begin inside a group.
  for (const char* model : {"tiny-qwen2-awq", "tiny-qwen2-gptq"}) {
    for (const Layout& layout : {Layout{2, 2}, {1, 4}, {1, 8}}) {
      cases.push_back({model, v1::COMPUTE_MODE_BF16, layout});
      cases.push_back({model, v1::COMPUTE_MODE_BF16, layout, v1::WEIGHT_FORM_Q4});
    }
  }
  for (const char* model : {"tiny-llama", "tiny-r1", "tiny-qwen3-moe"}) {
    for (const v1::WeightForm form : {v1::WEIGHT_FORM_Q8, v1::WEIGHT_FORM_Q4}) {
      for (const Layout& layout : {Layout{2, 2}, {1, 4}}) {
        cases.push_back({model, v1::COMPUTE_MODE_BF16, layout, form});
      }
    }
  }
  for (const Layout& layout : {Layout{2, 1}, {1, 2}, {1, 4}, {2, 2}}) {
    cases.push_back({"tiny-deepseek-v2-lite", v1::COMPUTE_MODE_BF16, layout});
  }
  return cases;
}
INSTANTIATE_TEST_SUITE_P(Layouts, LayoutTest, ::testing::ValuesIn(AllCases()), CaseName);

// The collectives that worker processes use.
TEST(LayoutOverGloo, GivesTheBitsOfOneRankAlone) {
  worker::LocalRendezvous store;
  const auto runner = PromptRunner::Create(
      {.model_path = worker::BundledModel(kTinyR1),
       .data_parallel = 2,
       .tensor_parallel = 2,
       .compute = v1::COMPUTE_MODE_BF16,
       .make_collectives = [&](const std::string& name,
                               int size) { return ConnectGlooRanks(store, name, size); }},
      {.batch = 32, .max_tokens = 600, .longest = 160});
  ASSERT_TRUE(runner.ok()) << runner.status();
  const auto got = (*runner)->Run(Jobs(kTinyR1), {.chunk = 0, .batch = 32, .seed = 3});
  ASSERT_TRUE(got.ok()) << got.status();
  ExpectSame(*got, Alone(kTinyR1, v1::COMPUTE_MODE_BF16), "gloo");
}

}  // namespace
}  // namespace switchyard::testing
