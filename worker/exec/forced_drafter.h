// Drafts the text that a grammar leaves no choice about, such as the names of a JSON object's
// members, and leaves all else to another drafter. Only how the text is cut into tokens is guessed:
// into the longest ones.
#ifndef SWITCHYARD_WORKER_EXEC_FORCED_DRAFTER_H_
#define SWITCHYARD_WORKER_EXEC_FORCED_DRAFTER_H_

#include <memory>

#include "worker/exec/drafter.h"

namespace switchyard::worker {

class ForcedDrafter final : public Drafter {
 public:
  // Up to `max_tokens` where text is forced, however many the step wants elsewhere. `other` may be
  // null.
  ForcedDrafter(int32_t max_tokens, std::unique_ptr<Drafter> other)
      : max_tokens_(max_tokens), other_(std::move(other)) {}

  absl::Status Draft(const ComputedStep& step, int32_t num_drafts) override;

 private:
  const int32_t max_tokens_;
  const std::unique_ptr<Drafter> other_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_EXEC_FORCED_DRAFTER_H_
