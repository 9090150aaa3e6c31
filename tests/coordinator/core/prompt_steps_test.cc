// Long prompts beside answers: what a step takes longer by, on a machine whose steps take what the
// test says.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "coordinator/core/sched/scheduler.h"
#include "tests/coordinator/core/mla_plan.h"
#include "tests/coordinator/core/plan_executor.h"

namespace switchyard::core {
namespace {

constexpr int32_t kNumBlocks = 4000;
constexpr int32_t kBlockTokens = 4;
constexpr int32_t kMaxRunning = 8;
constexpr int32_t kBudget = 512;

class PromptStepsTest : public ::testing::Test {
 protected:
  explicit PromptStepsTest(const PromptCost& cost = {})
      : scheduler_({.max_batched_tokens = kBudget,
                    .max_running = kMaxRunning,
                    .max_stretch = 2,
                    .max_waiting = 100,
                    .num_blocks = kNumBlocks,
                    .block_tokens = kBlockTokens,
                    .max_context = 4000,
                    .vocab_size = PlanExecutor::kVocabSize,
                    .prefix_cache = false,
                    .prompt_cost = cost}),
        workers_({.num_blocks = kNumBlocks,
                  .block_tokens = kBlockTokens,
                  .max_batched_tokens = kBudget,
                  .max_running = kMaxRunning}) {}

  RequestId Ask(int32_t prompt_length, int32_t max_tokens) {
    NewRequest request{.id = ++last_id_, .max_tokens = max_tokens};
    for (int32_t i = 0; i < prompt_length; ++i) request.prompt_tokens.push_back(7 * i % 100);
    prompt_lengths_[last_id_] = prompt_length;
    EXPECT_TRUE(scheduler_.Admit(std::move(request)).ok());
    return last_id_;
  }

  // How much longer than without prompts the step takes: a key that is read takes a microsecond, a
  // token of a prompt a hundred. A prompt's last token alone is a row like those of answers.
  double Step() {
    EXPECT_TRUE(scheduler_.NextPlan(plan_));
    int64_t quiet = 2000, prompts = 0;
    for (const v1::SequenceWork& work : plan_.groups(0).sequences()) {
      const bool writes = work.begin_position() + 1 >= prompt_lengths_[work.sequence_id()];
      if (writes) quiet += work.begin_position();
      if (!writes) prompts += 100 * (work.tokens_size() + (work.use_last_sampled() ? 1 : 0));
    }
    const auto outcome =
        scheduler_.Complete(workers_.Execute(plan_), std::chrono::microseconds(quiet + prompts));
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    for (const RequestEnd& end : outcome->finished) ended_.insert(end.id);
    return double(quiet + prompts) / double(quiet);
  }

  bool HasEnded(RequestId id) const { return ended_.count(id) > 0; }

  // In the newest step; null: none.
  const v1::SequenceWork* WorkOf(RequestId id) const {
    for (const v1::SequenceWork& work : plan_.groups(0).sequences()) {
      if (work.sequence_id() == id) return &work;
    }
    return nullptr;
  }

  // Four answers of a thousand tokens, which all end in one step.
  RequestId AskForAnswers() {
    for (int i = 0; i < 3; ++i) Ask(10 + i, 1000);
    return Ask(9, 1000);
  }

 private:
  Scheduler scheduler_;
  v1::StepPlan plan_;
  PlanExecutor workers_;
  RequestId last_id_ = 0;
  std::map<RequestId, int32_t> prompt_lengths_;
  std::set<RequestId> ended_;
};

// Answers that begin anew have steps a third as long as those that have just ended; and prompts'
// last pieces come every few dozen steps.
TEST_F(PromptStepsTest, AllButOneInAHundredAreBelowTheBound) {
  for (int round = 0; round < 3; ++round) {
    const RequestId last = AskForAnswers();
    RequestId prompt = 0;
    int num_steps = 0, num_over = 0, num_prompts = 0;
    while (!HasEnded(last)) {
      if (prompt == 0 || HasEnded(prompt)) {
        prompt = Ask(1000, 1);
        ++num_prompts;
      }
      const double stretch = Step();
      if (round == 0) continue;  // learns what prompts take
      ++num_steps;
      num_over += stretch > 2 ? 1 : 0;
    }
    while (!HasEnded(prompt)) Step();
    EXPECT_LE(num_over, num_steps / 100) << "of " << num_steps << " in round " << round;
    EXPECT_GE(num_prompts, 6) << "with less of prompts it is no art";
  }
}

TEST_F(PromptStepsTest, AShortPromptIsOneLongerStep) {
  AskForAnswers();
  for (const int32_t warm : {200, 200, 200}) {
    for (const RequestId id = Ask(warm, 1); !HasEnded(id);) Step();
  }
  for (int i = 0; i < 20; ++i) Step();
  const RequestId id = Ask(30, 1);
  EXPECT_GT(Step(), 1.7);
  EXPECT_TRUE(HasEnded(id));
}

// Keys are expanded anew for each piece of a prompt.
class ExpandedStepsTest : public PromptStepsTest {
 protected:
  ExpandedStepsTest() : PromptStepsTest(PromptCost(MlaPlan(0))) {}
};

TEST_F(ExpandedStepsTest, APieceIsWorthTheKeysThatAreReadForIt) {
  AskForAnswers();
  for (int i = 0; i < 20; ++i) Step();
  const RequestId first = Ask(1000, 1);
  while (!HasEnded(first)) Step();
  const PromptCost cost(MlaPlan(0));
  const RequestId second = Ask(1000, 1);
  int num_pieces = 0;
  while (!HasEnded(second)) {
    Step();
    const v1::SequenceWork* work = WorkOf(second);
    if (work == nullptr) continue;
    const int32_t left = 1000 - work->begin_position();
    EXPECT_GE(work->tokens_size(), std::min(left, cost.LeastFrom(work->begin_position())));
    ++num_pieces;
  }
  EXPECT_GT(num_pieces, 5) << "in pieces, for it is beside answers";
}

}  // namespace
}  // namespace switchyard::core
