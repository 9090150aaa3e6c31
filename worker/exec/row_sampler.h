// Rows of logits -> the sequences' next tokens. Where a sequence computed drafts, every row is
// sampled from as if the drafts before it were right; what comes behind the first wrong one is
// dropped. So drafts change how many tokens a step gives, and no token: each is sampled from the
// logits and with the random number of its position, drafted or not.
#ifndef SWITCHYARD_WORKER_EXEC_ROW_SAMPLER_H_
#define SWITCHYARD_WORKER_EXEC_ROW_SAMPLER_H_

#include <cstdint>
#include <deque>
#include <span>
#include <vector>

#include "base/status.h"
#include "proto/step.pb.h"
#include "worker/exec/batch_builder.h"
#include "worker/sample/sampler.h"

namespace switchyard::worker {

// Owned by the executor. Thread: the step's.
class RowSampler {
 public:
  // `columns`: this rank's part of the vocabulary. `sampler` outlives this.
  RowSampler(Sampler& sampler, const TokenRange& columns) : sampler_(sampler), columns_(columns) {}

  // Samples for every output that asks for it: sets OutputRow::token and lets its sequence take it.
  // Output i is row i of `logits`; rows behind the outputs are working memory. Appends tokens, log
  // probabilities and counts of drafts to `result` if it is given. Errors: those of Sampler.
  absl::Status Run(const kernels::TensorView& logits, std::span<OutputRow> outputs,
                   v1::StepResult* result);

  // The sampler's choice behind each state, row by row: a guess, which is nothing (-1) where the
  // logits are no numbers. Row i of `logits` is the i-th state's, `positions[i]` the guess's.
  absl::StatusOr<std::vector<int32_t>> Guess(const kernels::TensorView& logits,
                                             std::span<SamplingState* const> states,
                                             std::span<const int32_t> positions);

 private:
  void Ask(size_t row, const OutputRow& output);
  SampleRequest RequestFor(int32_t row, int32_t position, SamplingState& state);

  Sampler& sampler_;
  const TokenRange columns_;
  std::vector<SampleRequest> requests_;      // of the step
  std::deque<SamplingState> branches_;       // states behind drafts
  std::deque<std::vector<uint32_t>> masks_;  // of the requests
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_EXEC_ROW_SAMPLER_H_
