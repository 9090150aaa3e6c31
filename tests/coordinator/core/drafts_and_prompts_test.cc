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
      EXPECT_TRUE(scheduler_.NextPlan(plan_));
      const auto outcome = scheduler_.Complete(workers_.Execute(plan_), {});
      EXPECT_TRUE(outcome.ok()) << outcome.status();
      for (const RequestEnd& end : outcome->finished) ended_.insert(end.id);
    }
    return most;
  }

  static constexpr int32_t kMaxRunning = 8;
  Scheduler scheduler_;
  v1::StepPlan plan_;  // the last
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

struct Counts {
  int64_t tokens = 0, drafts = 0, of_prompts = 0;
  int with_prompts = 0;  // steps
  double longest = 0;    // of those without drafts, as a multiple of one without prompts
};

constexpr int kSteps = 1000, kLearning = 200;

// Eight answers that never end beside prompts that come all the time, and drafts that cost more
// than they give. A step takes `step_micros`, 10 us more for a token and 100 for a draft.
Counts RunBesidePrompts(int num_prompts, int32_t prompt_length, double max_stretch,
                        int64_t step_micros) {
  Scheduler scheduler({.max_batched_tokens = 256,
                       .max_running = 16,
                       .max_stretch = max_stretch,
                       .max_waiting = 100,
                       .num_blocks = kNumBlocks * 10,
                       .block_tokens = kBlockTokens,
                       .max_context = 4000,
                       .vocab_size = PlanExecutor::kVocabSize,
                       .prefix_cache = false,
                       .max_drafts = 2});
  PlanExecutor workers({.num_blocks = kNumBlocks * 10,
                        .block_tokens = kBlockTokens,
                        .max_batched_tokens = 256,
                        .max_running = 16,
                        .max_drafts = 2});
  RequestId last_id = 0;
  const auto ask = [&](int32_t length, int32_t max_tokens) {
    NewRequest request{.id = ++last_id, .max_tokens = max_tokens};
    for (int32_t i = 0; i < length; ++i) {
      request.prompt_tokens.push_back(int32_t(last_id * 31 + i * 7) % PlanExecutor::kVocabSize);
    }
    EXPECT_TRUE(scheduler.Admit(std::move(request)).ok());
  };
  for (int i = 0; i < 8; ++i) ask(3, 3000);
  Counts counts;
  v1::StepPlan plan;
  for (int step = 0; step < kSteps; ++step) {
    while (scheduler.num_running() + scheduler.num_waiting() < 8 + num_prompts)
      ask(prompt_length, 1);
    EXPECT_TRUE(scheduler.NextPlan(plan));
    const auto count = [&] { return workers.num_drafts_accepted() + workers.num_drafts_refused(); };
    const int64_t tokens_before = workers.num_tokens_computed(), drafts_before = count();
    v1::StepResult result = workers.Execute(plan);
    const int64_t drafts = count() - drafts_before;
    const int64_t tokens = workers.num_tokens_computed() - tokens_before;
    const int64_t micros = step_micros + 10 * tokens + 100 * drafts;
    result.mutable_timings()->set_total_us(static_cast<uint32_t>(micros));
    EXPECT_TRUE(scheduler.Complete(result, std::chrono::microseconds(micros)).ok());
    if (step < kLearning) continue;
    counts.tokens += result.sampled_size();
    counts.drafts += drafts;
    counts.of_prompts += tokens - drafts - 8;
    if (drafts == 0)
      counts.longest = std::max(counts.longest, double(micros) / double(step_micros + 80));
    counts.with_prompts += tokens - drafts > 8 ? 1 : 0;
  }
  return counts;
}

TEST(Drafts, StepBackThoughPromptsNeverEnd) {
  const Counts counts = RunBesidePrompts(/*num_prompts=*/3, /*prompt_length=*/100,
                                         /*max_stretch=*/0, /*step_micros=*/0);
  EXPECT_LT(double(counts.drafts), 0.1 * double(counts.tokens));
  EXPECT_GT(counts.drafts, 0) << "what was better may be so again";
  EXPECT_GT(counts.with_prompts, (kSteps - kLearning) * 9 / 10);
}

// A step that tries two drafts takes 2.5 times as long. That is neither chance, which would leave
// prompts nothing of the others, nor what the others take without prompts.
TEST(Drafts, ThatAreTriedChangeNothingOfWhatPromptsTake) {
  const Counts counts = RunBesidePrompts(/*num_prompts=*/1, /*prompt_length=*/2000,
                                         /*max_stretch=*/2, /*step_micros=*/1000);
  EXPECT_LT(counts.longest, 1.6);
  EXPECT_GT(counts.of_prompts, 40 * (kSteps - kLearning));
}

}  // namespace
}  // namespace switchyard::core
