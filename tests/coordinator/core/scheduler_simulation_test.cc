// Thousands of requests with random lengths, stops and cancels through clusters whose cache is too
// small for them, from a seed: each answer must be the one that the request would have got alone.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <random>
#include <string>

#include "coordinator/core/sched/scheduler.h"
#include "tests/coordinator/core/plan_executor.h"

namespace switchyard::core {
namespace {

struct Cluster {
  const char* name;
  int32_t num_groups;
  int32_t max_batched_tokens;
  int32_t max_running;
  int32_t num_blocks;
  int32_t block_tokens;
  int32_t max_under_way = 1;
};

void PrintTo(const Cluster& cluster, std::ostream* out) { *out << cluster.name; }

// What a request should say, and what it has said.
struct Expectation {
  std::vector<int32_t> answer;
  FinishReason reason = FinishReason::kLength;
  std::vector<int32_t> said;
};

class Simulation {
 public:
  static constexpr int32_t kMaxContext = 48;
  static constexpr int32_t kMaxWaiting = 20;

  Simulation(const Cluster& cluster, uint64_t seed)
      : pool_tokens_(cluster.num_blocks * cluster.block_tokens),
        random_(seed),
        scheduler_({.num_groups = cluster.num_groups,
                    .max_batched_tokens = cluster.max_batched_tokens,
                    .max_running = cluster.max_running,
                    .max_waiting = kMaxWaiting,
                    .max_under_way = cluster.max_under_way,
                    .num_blocks = cluster.num_blocks,
                    .block_tokens = cluster.block_tokens,
                    .max_context = kMaxContext,
                    .vocab_size = PlanExecutor::kVocabSize}),
        workers_({.num_groups = cluster.num_groups,
                  .num_blocks = cluster.num_blocks,
                  .block_tokens = cluster.block_tokens,
                  .max_batched_tokens = cluster.max_batched_tokens,
                  .max_running = cluster.max_running}) {}

  void Run(int num_events) {
    for (int event = 0; event < num_events && !::testing::Test::HasFailure(); ++event) {
      const int64_t kind = Random(0, 99);
      if (kind < 30) {
        Submit();
      } else if (kind < 35) {
        CancelOne();
      } else {
        Step();
      }
      scheduler_.CheckIntegrity();
    }
    for (int step = 0; scheduler_.HasWork() || scheduler_.plan_under_way(); ++step) {
      ASSERT_LT(step, 10000) << "does not come to an end";
      ASSERT_FALSE(::testing::Test::HasFailure());
      Step();
      scheduler_.CheckIntegrity();
    }
    EXPECT_TRUE(open_.empty()) << open_.size() << " requests never ended";
    EXPECT_EQ(scheduler_.num_free_blocks(), scheduler_.num_blocks());
    EXPECT_EQ(scheduler_.num_running() + scheduler_.num_waiting(), 0);
  }

  // Everything that was decided, in order.
  const std::string& log() const { return log_; }
  int num_finished() const { return num_finished_; }
  int num_refused() const { return num_refused_; }
  const Scheduler& scheduler() const { return scheduler_; }
  const PlanExecutor& workers() const { return workers_; }

 private:
  int64_t Random(int64_t low, int64_t high) {
    return low + int64_t(random_() % uint64_t(high - low + 1));
  }

  void Submit() {
    const RequestId id = next_id_++;
    const int32_t prompt_length = int32_t(Random(1, Random(0, 3) == 0 ? kMaxContext - 1 : 8));
    const int32_t max_tokens = int32_t(Random(1, 24));
    NewRequest request{.id = id, .max_tokens = max_tokens};
    for (int32_t i = 0; i < prompt_length; ++i)
      request.prompt_tokens.push_back(PlanExecutor::TokenAt(id, i));
    if (Random(0, 3) == 0)
      request.stop_token_ids = {PlanExecutor::TokenAt(id, prompt_length + int32_t(Random(0, 20)))};

    Expectation expected;
    const int32_t end = std::min(prompt_length + max_tokens, kMaxContext);
    for (int32_t position = prompt_length; position < end && expected.reason != FinishReason::kStop;
         ++position) {
      expected.answer.push_back(PlanExecutor::TokenAt(id, position));
      if (!request.stop_token_ids.empty() && expected.answer.back() == request.stop_token_ids[0]) {
        expected.reason = FinishReason::kStop;
      }
    }
    const bool fits = end - 1 <= pool_tokens_;  // the last token of an answer is never cached
    const bool room = scheduler_.num_waiting() < kMaxWaiting;
    const absl::Status status = scheduler_.Admit(std::move(request));
    EXPECT_EQ(status.code(), !fits   ? absl::StatusCode::kInvalidArgument
                             : !room ? absl::StatusCode::kResourceExhausted
                                     : absl::StatusCode::kOk)
        << status;
    if (status.ok()) {
      open_.emplace(id, std::move(expected));
    } else {
      ++num_refused_;
    }
  }

  void CancelOne() {
    if (open_.empty()) return;
    auto victim = open_.begin();
    std::advance(victim, Random(0, int64_t(open_.size()) - 1));
    const auto finish = scheduler_.Cancel(victim->first);
    ASSERT_TRUE(finish);
    EXPECT_EQ(finish->num_generated_tokens, int32_t(victim->second.said.size()));
    open_.erase(victim);
  }

  // Half a step: a plan leaves, or the oldest result comes back.
  void Step() {
    const bool waits = std::ssize(results_) == 1 && Random(0, 1) == 0;  // or its result is faster
    if (auto plan = waits ? std::nullopt : scheduler_.NextPlan()) {
      log_ += plan->SerializeAsString();
      results_.push_back(workers_.Execute(*plan));
      return;
    }
    if (results_.empty()) return;
    auto outcome = scheduler_.Complete(results_.front());
    results_.pop_front();
    ASSERT_TRUE(outcome.ok()) << outcome.status();
    for (const RequestToken& token : outcome->tokens)
      open_.at(token.id).said.push_back(token.output.token);
    for (const RequestEnd& end : outcome->finished) {
      const Expectation& expected = open_.at(end.id);
      EXPECT_EQ(expected.said, expected.answer) << "request " << end.id;
      EXPECT_EQ(end.finish.reason, expected.reason) << "request " << end.id;
      EXPECT_EQ(end.finish.num_generated_tokens, int32_t(expected.answer.size()))
          << "request " << end.id;
      open_.erase(end.id);
      ++num_finished_;
    }
  }

  const int32_t pool_tokens_;
  std::mt19937_64 random_;
  Scheduler scheduler_;
  PlanExecutor workers_;
  std::map<RequestId, Expectation> open_;
  std::deque<v1::StepResult> results_;  // of plans under way
  std::string log_;
  RequestId next_id_ = 1;
  int num_finished_ = 0;
  int num_refused_ = 0;
};

class SchedulerSimulation : public ::testing::TestWithParam<Cluster> {};

TEST_P(SchedulerSimulation, EveryAnswerIsTheOneItWouldHaveBeenAlone) {
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Simulation simulation(GetParam(), seed);
    simulation.Run(6000);
    ASSERT_FALSE(HasFailure());
    EXPECT_GT(simulation.num_finished(), 100);
    EXPECT_GT(simulation.num_refused(), 0);
    EXPECT_GT(simulation.scheduler().num_preemptions(), 0)
        << "the cache was never short: the test tests too little";
    EXPECT_GT(simulation.workers().num_tokens_computed(), 1000);
  }
}

TEST_P(SchedulerSimulation, SameEventsGiveSamePlans) {
  Simulation first(GetParam(), 7);
  Simulation second(GetParam(), 7);
  first.Run(1000);
  second.Run(1000);
  EXPECT_FALSE(first.log().empty());
  EXPECT_TRUE(first.log() == second.log());
}

INSTANTIATE_TEST_SUITE_P(Clusters, SchedulerSimulation,
                         ::testing::Values(Cluster{"one_group", 1, 16, 8, 14, 4},
                                           Cluster{"two_groups", 2, 8, 8, 20, 2},
                                           Cluster{"four_groups", 4, 64, 6, 12, 4},
                                           Cluster{"single_token_blocks", 1, 5, 5, 50, 1},
                                           Cluster{"tight_budget", 2, 4, 4, 13, 4},
                                           Cluster{"one_group_ahead", 1, 16, 8, 14, 4, 2},
                                           Cluster{"two_groups_ahead", 2, 8, 8, 20, 2, 2},
                                           Cluster{"four_groups_ahead", 4, 64, 6, 12, 4, 2},
                                           Cluster{"single_blocks_ahead", 1, 5, 5, 50, 1, 2},
                                           Cluster{"tight_budget_ahead", 2, 4, 4, 13, 4, 2}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace switchyard::core
