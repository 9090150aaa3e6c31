#include "worker/sample/sampler.h"

#include <algorithm>
#include <cmath>

#include "base/random.h"

namespace switchyard::worker {

Sampler::Sampler(int64_t vocab_size) { candidates_.reserve(vocab_size); }

absl::StatusOr<Sample> Sampler::Choose(std::span<const float> logits,
                                       const v1::SamplingParams& params, int32_t position) {
  int32_t best = 0;
  bool broken = false;
  for (size_t i = 0; i < logits.size(); ++i) {
    broken |= std::isnan(logits[i]);
    if (logits[i] > logits[best]) best = static_cast<int32_t>(i);
  }
  const float max_logit = logits[best];
  if (broken || !std::isfinite(max_logit)) {
    return absl::InternalError(
        fmt::format("the logits for position {} are not finite numbers", position));
  }
  double sum = 0;
  for (float logit : logits) sum += std::exp(double{logit} - max_logit);
  const int32_t token = params.temperature() > 0 ? Draw(logits, max_logit, params, position) : best;
  return Sample{.token = token,
                .logprob = static_cast<float>(double{logits[token]} - max_logit - std::log(sum))};
}

int32_t Sampler::Draw(std::span<const float> logits, float max_logit,
                      const v1::SamplingParams& params, int32_t position) {
  const double inverse_temperature = 1.0 / params.temperature();
  const auto weight = [&](float logit) {
    return std::exp((double{logit} - max_logit) * inverse_temperature);
  };
  const auto less_likely = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit < b.logit : a.token > b.token;
  };
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates_.push_back({logits[i], static_cast<int32_t>(i)});
  }
  const size_t top_k = params.top_k() > 0 ? params.top_k() : candidates_.size();
  if (top_k < candidates_.size()) {
    std::nth_element(candidates_.begin(), candidates_.begin() + top_k, candidates_.end(),
                     [&](const Candidate& a, const Candidate& b) { return less_likely(b, a); });
    candidates_.resize(top_k);
  }
  std::make_heap(candidates_.begin(), candidates_.end(), less_likely);

  // Sorts only as far as top-p reaches: heads move from the heap's front to the array's end,
  // likeliest last.
  double total = 0;
  for (const Candidate& candidate : candidates_) total += weight(candidate.logit);
  double kept = total;
  size_t heap_size = 0;  // without top-p every candidate stays, and their order does not matter
  if (params.top_p() < 1) {
    kept = 0;
    heap_size = candidates_.size();
    while (heap_size > 0 && (kept < params.top_p() * total || heap_size == candidates_.size())) {
      kept += weight(candidates_.front().logit);
      std::pop_heap(candidates_.begin(), candidates_.begin() + heap_size--, less_likely);
    }
  }
  double left = RandomUnit(params.seed(), static_cast<uint64_t>(position)) * kept;
  for (size_t i = candidates_.size(); i-- > heap_size;) {
    left -= weight(candidates_[i].logit);
    if (left < 0) return candidates_[i].token;
  }
  return candidates_[heap_size].token;  // rounding left a remainder: the least likely of those kept
}

}  // namespace switchyard::worker
