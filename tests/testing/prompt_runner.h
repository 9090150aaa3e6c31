// Plays the coordinator for a LocalEngine: takes prompts through prefill and greedy decoding in any
// interleaving that a seed may think of, and keeps all that came out.
#ifndef SWITCHYARD_TESTS_TESTING_PROMPT_RUNNER_H_
#define SWITCHYARD_TESTS_TESTING_PROMPT_RUNNER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/random.h"
#include "cli/local_engine.h"

namespace switchyard::testing {

struct PromptJob {
  std::vector<int32_t> tokens;
  int max_new_tokens = 0;
};

struct PromptAnswer {
  std::vector<int32_t> generated;        // up to max_new_tokens; ends at the end token
  std::vector<float> logprobs;           // of each generated token
  std::vector<std::vector<float>> rows;  // logits of each computed position
};

// In what order work is done.
struct Schedule {
  int chunk = 512;    // prompt tokens of one sequence in one step; 0: drawn anew for every step
  int batch = 32;     // sequences of one group in one step
  uint64_t seed = 0;  // 0: all arrive at once, in order, to the groups in turn. Otherwise
                      // arrivals, groups, blocks and preemptions are drawn from it, and an odd
                      // one leaves it to the workers to know the token that they sampled last
  int32_t end_token = 1;
};

class PromptRunner {
 public:
  // Sizes cache and limits for `batch` sequences of `longest` tokens in each group and steps of
  // `max_tokens` tokens. `options`: those fields and the sink are filled in.
  struct Limits {
    int batch = 32;
    int max_tokens = 1024;
    int longest = 1024;
  };
  static absl::StatusOr<std::unique_ptr<PromptRunner>> Create(cli::LocalEngineOptions options,
                                                              const Limits& limits);

  // One answer per job. Sequences of earlier calls are gone. REQUIRES: jobs and schedule within the
  // limits.
  absl::StatusOr<std::vector<PromptAnswer>> Run(std::span<const PromptJob> jobs,
                                                const Schedule& schedule);

  cli::LocalEngine& engine() { return *engine_; }

 private:
  struct Sequence {
    std::vector<int32_t> tokens;  // the prompt and what was generated
    int32_t prompt_length = 0;
    int32_t wanted = 0;    // tokens.size() at which it is done
    int32_t computed = 0;  // positions that are planned
    bool done = false;
    bool sampled = false;  // since it was started last
    std::vector<int32_t> blocks;
  };
  struct Group {
    std::vector<size_t> waiting;  // indices of sequences, next at the back
    std::vector<size_t> running;
    std::vector<int32_t> free_blocks;
  };

  explicit PromptRunner(const Limits& limits) : limits_(limits) {}
  uint64_t Draw(uint64_t below) { return RandomBits(seed_, ++num_draws_) % below; }
  void Arrive(std::span<const PromptJob> jobs, const Schedule& schedule);
  void Admit(const Schedule& schedule, v1::StepPlan* plan);
  void Preempt(Group& group);
  void PlanGroup(const Schedule& schedule, Group& group, v1::GroupWork* work);
  void AddWork(size_t index, int num_tokens, Group& group, v1::GroupWork* work);
  void Take(const v1::StepResult& result, const Schedule& schedule);
  void Release(size_t index, Group& group);
  void Retire();

  const Limits limits_;
  std::unique_ptr<cli::LocalEngine> engine_;
  std::vector<Group> groups_;
  std::vector<Sequence> sequences_;  // of the jobs in work
  std::vector<PromptAnswer> answers_;
  std::vector<uint64_t> released_;  // for the next plan
  uint64_t first_id_ = 1;           // of sequences_[0]
  uint64_t last_step_ = 0;
  uint64_t seed_ = 0;
  uint64_t num_draws_ = 0;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_TESTING_PROMPT_RUNNER_H_
