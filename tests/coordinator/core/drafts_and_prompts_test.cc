// Drafts and prompts want the same room in a step: neither keeps the other from it for long.
#include <gtest/gtest.h>

#include <set>

#include "coordinator/core/sched/scheduler.h"
#include "tests/coordinator/core/plan_executor.h"

namespace switchyard::core {
namespace {

constexpr int32_t kBlockTokens = 4;
constexpr int32_t kNumBlocks = 1000;

// Forms want all drafts that a step has room for; beside them a prompt whose log probabilities are
// reported goes on, and so does what waits behind it.
class FormsTest : public ::testing::TestWithParam<int32_t> {
 protected:
  FormsTest()
      : scheduler_({.max_batched_tokens = GetParam(),
                    .max_running = kMaxRunning,
                    .max_waiting = 100,
                    .num_blocks = kNumBlocks,
                    .block_tokens = kBlockTokens,
                    .max_context = 4000,
                    .vocab_size = PlanExecutor::kVocabSize,
                    .max_forced = 6}),
        workers_({.num_blocks = kNumBlocks,
                  .block_tokens = kBlockTokens,
                  .max_batched_tokens = GetParam(),
                  .max_running = kMaxRunning,
                  .max_forced = 6}) {
    for (int i = 0; i < 3; ++i) {
      NewRequest form{.id = ++last_id_, .prompt_tokens = {1, 2, i}, .max_tokens = 2000};
      form.grammar = std::make_shared<v1::Grammar>();
      EXPECT_TRUE(scheduler_.Admit(std::move(form)).ok());
    }
    StepsUntilEndOf(0, 20);
  }

  RequestId Ask(int32_t prompt_length, bool is_scored) {
    NewRequest request{.id = ++last_id_, .max_tokens = 1};
    for (int32_t i = 0; i < prompt_length; ++i) request.prompt_tokens.push_back(7 * i % 100);
    if (is_scored) request.sampling.set_prompt_logprobs(0);
    EXPECT_TRUE(scheduler_.Admit(std::move(request)).ok());
    return last_id_;
  }

  // 0 if it has ended.
  int StepsUntilEndOf(RequestId id, int most) {
    for (int steps = 0; steps < most; ++steps) {
      if (ended_.count(id) > 0) return steps;
      const auto plan = scheduler_.NextPlan();
      const auto outcome = scheduler_.Complete(workers_.Execute(*plan));
      EXPECT_TRUE(outcome.ok()) << outcome.status();
      for (const RequestEnd& end : outcome->finished) ended_.insert(end.id);
    }
    return most;
  }

  static constexpr int32_t kMaxRunning = 8;
  Scheduler scheduler_;
  PlanExecutor workers_;
  RequestId last_id_ = 0;
  std::set<RequestId> ended_;
};

TEST_P(FormsTest, LeaveRowsAndTokensToPrompts) {
  const RequestId scored = Ask(21, /*is_scored=*/true);
  const RequestId behind = Ask(4, /*is_scored=*/false);
  // Four rows of logits a step, and at least two tokens.
  const int steps = StepsUntilEndOf(scored, 100);
  EXPECT_LE(steps, GetParam() > 16 ? 6 : 12);
  EXPECT_LE(StepsUntilEndOf(behind, 100), 3);
  const int64_t before = workers_.num_drafts_accepted() + workers_.num_drafts_refused();
  StepsUntilEndOf(0, 10);
  EXPECT_GE(workers_.num_drafts_accepted() + workers_.num_drafts_refused() - before, 21)
      << "alone they have them all";
}

INSTANTIATE_TEST_SUITE_P(Budgets, FormsTest, ::testing::Values(8, 64));

}  // namespace
}  // namespace switchyard::core
