// The obvious worker: what a StepPlan means, written down slowly, and every rule of it checked.
// Instead of keys and values a cache slot holds a number that follows from its token, the token's
// form and all slots before it, and the next token follows from all slots. So a wrong block,
// position, form or order of steps cannot go unseen: the answer would be another. Its drafts are
// right more often than not. The log probability of a prompt's token follows from all slots before
// it, too.
#ifndef SWITCHYARD_TESTS_COORDINATOR_CORE_PLAN_EXECUTOR_H_
#define SWITCHYARD_TESTS_COORDINATOR_CORE_PLAN_EXECUTOR_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "proto/step.pb.h"

namespace switchyard::core {

// All ranks of a cluster in one. Failed checks fail the current test.
class PlanExecutor {
 public:
  struct Limits {
    int32_t num_groups = 1;
    int32_t num_blocks = 1;
    int32_t block_tokens = 1;
    int32_t max_batched_tokens = 1;
    int32_t max_running = 1;
    int32_t max_drafts = 0;
    int32_t max_forced = 0;  // of a sequence under a grammar
    int32_t max_full_logprobs = 0;
    bool tells_history = false;  // drafts are made from all tokens, also cached ones
    // Of a second cache, of which a token reads a window; no blocks: there is none.
    int32_t num_window_blocks = 0;
    int32_t window = 0;
  };
  explicit PlanExecutor(const Limits& limits);

  // What the model says after a prompt, alone in the world.
  static std::vector<int32_t> AnswerTo(std::span<const int32_t> prompt, int32_t num_tokens);
  static constexpr int32_t kVocabSize = 1000;
  // Of each token of a prompt but the first.
  static std::vector<float> ScoresOf(std::span<const int32_t> prompt);

  v1::StepResult Execute(const v1::StepPlan& plan);

  int64_t num_tokens_computed() const { return num_tokens_computed_; }
  int64_t num_tokens_cached() const { return num_tokens_cached_; }
  int64_t num_drafts_accepted() const { return num_drafts_accepted_; }
  int64_t num_drafts_refused() const { return num_drafts_refused_; }
  int64_t num_scored() const { return num_scored_; }  // tokens of prompts
  // Tokens whose log probabilities of the whole vocabulary were reported: one of them, their own.
  int64_t num_full() const { return num_full_; }

 private:
  // The slots of a sequence, one after the other.
  struct Sequence {
    int32_t group = 0;
    int32_t prompt_length = 0;
    int32_t max_length = 0;  // 0: none
    bool is_drafted = false;
    bool has_grammar = false;
    bool is_scored = false;
    bool full_prompt = false;
    bool full_answer = false;
    std::vector<int32_t> stop_tokens;
    bool is_ended = false;
    std::vector<int32_t> drafts;
    int32_t num_cached = 0;
    std::vector<int32_t> cached_tokens;
    std::vector<int32_t> blocks;
    std::vector<int32_t> window_blocks;  // -1 where the first query sees nothing
    std::vector<uint64_t> slots;         // what it has computed or found in the cache
    uint64_t digest = 0;                 // of them all
    std::optional<int32_t> last_sampled;

    void Append(uint64_t slot);
    uint64_t Next(int32_t token) const;  // what computing it next gives
    int32_t Sample() const { return static_cast<int32_t>((digest >> 20) % kVocabSize); }
    float Score(int32_t token) const;  // of the next one
  };

  struct Slot {
    uint64_t value = 0;
    uint64_t written_in = 0;  // step
  };

  void Start(const v1::SequenceStart& start);
  void ReadCached(uint64_t id, Sequence& sequence);
  void Compute(int32_t group, const v1::SequenceWork& work, v1::StepResult& result);
  // The tokens that the work wants computed, drafts among them.
  std::vector<int32_t> TokensOf(const v1::SequenceWork& work, const Sequence& sequence) const;
  void Write(const Sequence& sequence, int32_t position, uint64_t value);
  void Sample(uint64_t id, Sequence& sequence, v1::StepResult& result);
  // Reports the token behind the work's i-th where its prompt is to be.
  void Score(const v1::SequenceWork& work, int32_t i, const Sequence& sequence,
             v1::StepResult& result);
  void Draft(int32_t num_drafts, Sequence& sequence) const;
  Slot& SlotOf(const Sequence& sequence, int32_t position);
  Slot& WindowSlotOf(const Sequence& sequence, int32_t position);
  // What tokens from position `first` on read of the window's cache must be there, written before
  // this step if `before`.
  void CheckWindow(uint64_t id, const Sequence& sequence, int32_t first, bool before);

  const Limits limits_;
  uint64_t last_step_ = 0;
  int64_t num_tokens_computed_ = 0;
  int64_t num_tokens_cached_ = 0;
  int64_t num_drafts_accepted_ = 0;
  int64_t num_drafts_refused_ = 0;
  int64_t num_scored_ = 0;
  int64_t num_full_ = 0;
  std::map<uint64_t, Sequence> sequences_;
  std::vector<std::vector<Slot>> cache_;  // [group][block * block_tokens + offset]
  std::vector<std::vector<Slot>> window_cache_;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_TESTS_COORDINATOR_CORE_PLAN_EXECUTOR_H_
