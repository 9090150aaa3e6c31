// From one row of logits to one token. Pure: the answer depends on the logits, the parameters and
// the position alone, so a sampled answer is the same alone, in a batch, after a replay, and on
// every rank.
//
// Order (MODEL_SPECS 10): temperature, top-k, softmax, top-p, draw. The draw is a hash of (seed,
// position), not a running generator.
#ifndef SWITCHYARD_WORKER_SAMPLE_SAMPLER_H_
#define SWITCHYARD_WORKER_SAMPLE_SAMPLER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "proto/step.pb.h"

namespace switchyard::worker {

struct Sample {
  int32_t token = 0;
  float logprob = 0;  // natural logarithm, before temperature and cuts
};

class Sampler {
 public:
  explicit Sampler(int64_t vocab_size);

  // `position` is that of the new token. Ties go to the lower id. INTERNAL when the logits have a
  // NaN or no finite value: the model's arithmetic broke, and no token would be an answer.
  absl::StatusOr<Sample> Choose(std::span<const float> logits, const v1::SamplingParams& params,
                                int32_t position);

 private:
  struct Candidate {
    float logit;
    int32_t token;
  };
  int32_t Draw(std::span<const float> logits, float max_logit, const v1::SamplingParams& params,
               int32_t position);

  std::vector<Candidate> candidates_;  // scratch, vocab_size
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_SAMPLER_H_
