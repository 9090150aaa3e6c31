// The scheduler over an engine on the emulated GPU, of models whose layers with a window keep
// blocks of their own: sequences outgrow their windows, begin with what others have left, and are
// preempted, and get the bits of a run alone with one kind of blocks (docs/kv-kinds.md).
#include <gtest/gtest.h>

#include <map>

#include "tests/testing/golden.h"
#include "tests/testing/schedule_runner.h"

namespace switchyard::testing {
namespace {

using core::NewRequest;
using core::RequestId;

constexpr int32_t kBlockTokens = 16;
constexpr int32_t kMaxTokens = 8;

class CudaScheduleTest : public ::testing::TestWithParam<const char*> {
 protected:
  std::string folder() const { return std::string(SWITCHYARD_SOURCE_DIR "/models/") + GetParam(); }

  // Two prompts of four and of three blocks without a common beginning, then the first one again
  // but for its end.
  std::vector<NewRequest> Requests() const {
    std::vector<int32_t> text;
    for (const GoldenCase& golden : ReadGoldenCases(folder())) {
      text.insert(text.end(), golden.prompt_tokens.begin(), golden.prompt_tokens.end());
      if (text.size() > 8 * kBlockTokens) break;
    }
    const auto cut = [&](int32_t begin, int32_t end) {
      return std::vector<int32_t>(text.begin() + begin, text.begin() + end);
    };
    std::vector<NewRequest> requests;
    for (std::vector<int32_t> prompt : {cut(0, 63), cut(63, 110), cut(0, 62)}) {
      requests.push_back({.id = requests.size() + 1, .prompt_tokens = std::move(prompt)});
      requests.back().max_tokens = kMaxTokens;
      requests.back().sampling.set_top_logprobs(0);
    }
    return requests;
  }

  std::unique_ptr<ScheduleRunner> MakeRunner(int num_blocks, bool prefix_cache) const {
    auto runner = ScheduleRunner::Create({.model_path = folder(),
                                          .max_batched_tokens = 16,
                                          .max_running = 2,
                                          .num_kv_blocks = num_blocks,
                                          .kv_block_tokens = kBlockTokens,
                                          .num_threads = 1,
                                          .backend = "cuda"},
                                         {.prefix_cache = prefix_cache});
    EXPECT_TRUE(runner.ok()) << runner.status();
    return runner.ok() ? *std::move(runner) : nullptr;
  }
};

TEST_P(CudaScheduleTest, BlocksBehindAWindowServeOthersAndChangeNoBit) {
  const auto alone = MakeRunner(/*num_blocks=*/7, /*prefix_cache=*/false);
  const auto shared = MakeRunner(/*num_blocks=*/8, /*prefix_cache=*/true);
  ASSERT_TRUE(alone && shared);
  ASSERT_EQ(alone->plan().kv().num_window_blocks(), 0);
  ASSERT_EQ(shared->plan().kv().num_window_blocks(), 7);
  std::vector<NewRequest> requests = Requests();
  for (const NewRequest& request : requests) {
    ASSERT_TRUE(alone->Admit(request).ok());
    ASSERT_TRUE(alone->Finish().ok());
  }
  // Two together come to need nine blocks of the eight, and would need as many of the seven with a
  // window, were not those behind it given back.
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(shared->Admit(requests[i]).ok());
  ASSERT_TRUE(shared->Finish().ok());
  EXPECT_GT(shared->scheduler().num_preemptions(), 0);
  ASSERT_TRUE(shared->Admit(requests[2]).ok());
  ASSERT_TRUE(shared->Finish().ok());
  EXPECT_GE(shared->answers().at(3).num_cached, kBlockTokens);
  for (const auto& [id, answer] : alone->answers()) {
    EXPECT_TRUE(answer.is_finished);
    EXPECT_EQ(FirstDifference(shared->answers().at(id), answer), "") << "request " << id;
  }
}

INSTANTIATE_TEST_SUITE_P(Models, CudaScheduleTest, ::testing::Values("tiny-gemma3", "tiny-gpt-oss"),
                         [](const auto& info) {
                           return std::string(info.param) == "tiny-gemma3" ? "gemma3" : "gpt_oss";
                         });

}  // namespace
}  // namespace switchyard::testing
