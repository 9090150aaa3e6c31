// How many tokens of prompts a step may have in which requests write: as many as keep the gap
// between two tokens of theirs below a multiple of what it is without prompts. Learnt from how long
// steps take, so it fits any model and machine. Pure; what it says changes no token of any answer.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_PROMPT_CONTROL_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_PROMPT_CONTROL_H_

#include <array>
#include <cstdint>
#include <limits>

namespace switchyard::core {

// Owned by the Scheduler. Not thread-safe.
class PromptControl {
 public:
  static constexpr int32_t kNoLimit = std::numeric_limits<int32_t>::max();
  // Prompts go on, whatever they cost. In fewer tokens at a time they would mostly read again what
  // of them is in the cache: each step does so once.
  static constexpr int32_t kLeastTokens = 16;

  // `max_stretch`: of a step by prompts, at least 1; 0: no bound.
  explicit PromptControl(double max_stretch) : max_stretch_(max_stretch) {}

  // Of one group, in a step in which so many of its sequences write.
  int32_t MaxTokens(int32_t num_writing) const;

  // A step of so many sequences that write and so many tokens of prompts, in the group with most,
  // took so long.
  void Observe(int32_t num_writing, int32_t num_prompt_tokens, int64_t micros);

 private:
  static constexpr int kSizes = 16;  // powers of two of the number of sequences

  // Of a step without prompts; 0: not known.
  double MicrosOf(int32_t num_writing) const;

  const double max_stretch_;
  std::array<double, kSizes> micros_{};
  double micros_per_token_ = 0;  // of a prompt, beside the sequences that write; 0: not known
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_PROMPT_CONTROL_H_
