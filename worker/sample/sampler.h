// From logits to tokens. The answer depends on the logits, the parameters and the position alone,
// so a sampled token is the same alone, in a batch, after a replay and on any number of ranks that
// share the vocabulary.
//
// Order (MODEL_SPECS 10): repetition, then presence and frequency penalties and biases, masks,
// temperature, top-k, top-p, min-p, typical-p, draw. Equal logits are kept or cut together. The
// draw is a hash of (seed, choice, position), not a running generator.
#ifndef SWITCHYARD_WORKER_SAMPLE_SAMPLER_H_
#define SWITCHYARD_WORKER_SAMPLE_SAMPLER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "base/status.h"
#include "proto/step.pb.h"
#include "worker/sample/logit_shards.h"
#include "worker/sample/sampling_state.h"

namespace switchyard::worker {

struct SampleRequest {
  int32_t row = 0;       // of the logits; of no other request
  int32_t position = 0;  // of the token that is wanted
  // Draws a token. Else `given` is the token, and only its log probability is wanted.
  SamplingState* state = nullptr;
  int32_t given = 0;
  // This rank's columns that may be drawn, a bit each (kernels::EditLogitsArgs); empty: all.
  std::span<const uint32_t> mask;
  bool with_logprob = false;  // of the token
  // The row may turn out not to be needed: where its logits are no numbers, the token is -1 and
  // not an error.
  bool is_guess = false;
  // Likeliest tokens wanted beside it, or SamplingState::kFull: all; implies with_logprob.
  int32_t num_top = 0;
};

struct Sample {
  int32_t token = 0;
  // Natural logarithm in the model's own distribution, before all that changes it; 0 unless asked.
  float logprob = 0;
  std::vector<TokenLogit> top;  // with log probabilities in place of logits; likeliest first
  std::vector<float> full;  // of the whole vocabulary, by token, the same bits; empty unless asked
};

absl::Status BrokenLogits(int32_t position);  // INTERNAL: no finite numbers

// Thread: the step's.
class Sampler {
 public:
  // Run gets up to `max_requests`.
  Sampler(kernels::Ops& ops, const LogitShards::Part& part, int64_t max_requests, HostGather gather)
      : max_batch_(LogitShards::MaxBatch(2 * max_requests)),
        shards_(ops, part, std::move(gather)) {}

  // The most that the gather gets from one rank: each request may be about its row as it is and as
  // it was changed.
  static int64_t MaxGatherBytes(int64_t max_requests) {
    return LogitShards::MaxGatherBytes(2 * max_requests);
  }

  // One sample for each request. `logits`: f32 [rows, columns of this rank], changed; the rows from
  // `num_rows` on are working memory, one for each request at most. INTERNAL when logits have a NaN
  // or no finite value (the model's arithmetic broke, or nothing is allowed), naming the position;
  // errors of the gather.
  absl::StatusOr<std::vector<Sample>> Run(const kernels::TensorView& logits, int32_t num_rows,
                                          std::span<const SampleRequest> requests);

 private:
  struct Draw;

  void Edit(std::vector<Draw>& draws, int32_t num_rows);
  absl::Status FindPeaks(std::vector<Draw>& draws);
  absl::Status Cut(std::vector<Draw>& draws);
  absl::Status RunSearches(std::vector<Draw>& draws);
  absl::Status CutToTypical(std::vector<Draw>& draws);
  absl::Status ChooseTokens(std::vector<Draw>& draws);
  absl::Status FindLogprobs(const std::vector<Draw>& draws, std::vector<Sample>& samples);
  absl::Status FindTop(const std::vector<Draw>& draws, std::vector<Sample>& samples);
  absl::Status FindFull(const std::vector<Draw>& draws, std::vector<Sample>& samples);

  const size_t max_batch_;
  LogitShards shards_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_SAMPLER_H_
