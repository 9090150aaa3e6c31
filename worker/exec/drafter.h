// Guesses what sequences say next, so that the next step can check several tokens at once.
#ifndef SWITCHYARD_WORKER_EXEC_DRAFTER_H_
#define SWITCHYARD_WORKER_EXEC_DRAFTER_H_

#include <cstdint>
#include <span>

#include "base/status.h"
#include "kernels/tensor_view.h"
#include "worker/exec/batch_builder.h"
#include "worker/layers/forward_batch.h"

namespace switchyard::worker {

// A step that the model has computed and that is sampled from.
struct ComputedStep {
  const ForwardBatch& batch;
  std::span<const OutputRow> outputs;  // one for each of the batch's output rows
  const kernels::TensorView& hidden;   // act [T, H], behind the model's last norm
  const kernels::TensorView& logits;   // no longer needed: memory, a row for each output at least
};

// Thread: the step's.
class Drafter {
 public:
  virtual ~Drafter() = default;

  // Replaces the drafts of every sequence that took a token in this step and wants them: up to
  // `num_drafts`. Every rank of the world calls it in every step with the same number, 0 too; all
  // ranks of a group guess alike. Errors: those of Collectives.
  virtual absl::Status Draft(const ComputedStep& step, int32_t num_drafts) = 0;
};

// Whether the output is the newest token of its sequence, which goes on behind it.
inline bool IsFrontier(std::span<const OutputRow> outputs, size_t i) {
  const OutputRow& output = outputs[i];
  if (output.token == OutputRow::kNone || output.sequence->is_ended) return false;
  return i + 1 == outputs.size() || outputs[i + 1].sequence != output.sequence ||
         outputs[i + 1].token == OutputRow::kNone;
}

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_EXEC_DRAFTER_H_
