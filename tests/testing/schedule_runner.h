// Plays the coordinator with its real scheduler for a LocalEngine: requests in, plans run, answers
// kept. The caller says when plans leave and when results come back.
#ifndef SWITCHYARD_TESTS_TESTING_SCHEDULE_RUNNER_H_
#define SWITCHYARD_TESTS_TESTING_SCHEDULE_RUNNER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/local_engine.h"
#include "coordinator/core/sched/scheduler.h"

namespace switchyard::testing {

// What the client of a request sees, and how the request came to it.
struct ScheduledAnswer {
  std::vector<core::TokenOutput> tokens;
  std::vector<core::PromptTokenOutput> prompt_tokens;
  bool is_finished = false;
  int32_t num_cached = 0;          // of the prompt
  std::set<int32_t> restarted_at;  // tokens of the answer that were known when it started again
};

// Where the tokens or a bit of their log probabilities are not the same; empty if nowhere. `got`
// may end early if it was not finished.
std::string FirstDifference(const ScheduledAnswer& got, const ScheduledAnswer& want);

class ScheduleRunner {
 public:
  // Errors: those of LocalEngine::Create.
  static absl::StatusOr<std::unique_ptr<ScheduleRunner>> Create(
      cli::LocalEngineOptions engine, const core::SchedulerConfig::Limits& limits);

  // All of these end in an error where the scheduler or the engine does; then the runner is not to
  // be used.
  absl::Status Admit(core::NewRequest request);
  void Cancel(core::RequestId id);

  // Runs the next plan, if there is one; its result waits. Whether there was one.
  absl::StatusOr<bool> RunPlan();
  // Takes the oldest result. REQUIRES: has_result().
  absl::Status TakeResult();
  bool has_result() const { return !results_.empty(); }
  // Runs what can be planned and takes one result.
  absl::Status Step();
  // Until nothing is left to do. INTERNAL after `max_steps`: it does not come to an end.
  absl::Status Finish(int max_steps = 100'000);

  const core::Scheduler& scheduler() const { return scheduler_; }
  const v1::ShardPlan& plan() const { return engine_->plan(); }
  const std::map<core::RequestId, ScheduledAnswer>& answers() const { return answers_; }
  int64_t num_tokens() const { return num_tokens_; }  // of all answers
  int64_t num_drafted() const { return num_drafted_; }
  int64_t num_accepted() const { return num_accepted_; }

 private:
  ScheduleRunner(std::unique_ptr<cli::LocalEngine> engine,
                 const core::SchedulerConfig::Limits& limits)
      : engine_(std::move(engine)),
        scheduler_(core::SchedulerConfig::FromPlan(engine_->plan(), limits)) {}

  std::unique_ptr<cli::LocalEngine> engine_;
  core::Scheduler scheduler_;
  v1::StepPlan plan_;
  std::deque<v1::StepResult> results_;  // of plans under way
  std::map<core::RequestId, ScheduledAnswer> answers_;
  std::set<core::RequestId> started_;
  int64_t num_tokens_ = 0;
  int64_t num_drafted_ = 0;
  int64_t num_accepted_ = 0;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_TESTING_SCHEDULE_RUNNER_H_
