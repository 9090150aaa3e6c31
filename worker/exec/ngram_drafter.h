// Drafts from what a sequence has said before. Costs no computing by the model.
#ifndef SWITCHYARD_WORKER_EXEC_NGRAM_DRAFTER_H_
#define SWITCHYARD_WORKER_EXEC_NGRAM_DRAFTER_H_

#include "worker/exec/drafter.h"

namespace switchyard::worker {

class NgramDrafter final : public Drafter {
 public:
  absl::Status Draft(const ComputedStep& step, int32_t num_drafts) override;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_EXEC_NGRAM_DRAFTER_H_
