// How many tokens a second something generated lately, for operators.
#ifndef SWITCHYARD_COORDINATOR_TOKEN_RATE_H_
#define SWITCHYARD_COORDINATOR_TOKEN_RATE_H_

#include <cstdint>
#include <deque>
#include <utility>

#include "coordinator/core/membership/failure_detector.h"

namespace switchyard {

// Thread: one.
class TokenRate {
 public:
  static constexpr core::Instant kWindow{10'000};

  void Add(int64_t num_tokens) { num_tokens_ += num_tokens; }
  // Called some times a second: remembers the count, forgets what is older than the window.
  void OnTick(core::Instant now);
  // Over the window, or since the first tick if that is less.
  double PerSecond() const;

 private:
  int64_t num_tokens_ = 0;
  std::deque<std::pair<core::Instant, int64_t>> counts_;  // at recent ticks, oldest first
};

}  // namespace switchyard

#endif  // SWITCHYARD_COORDINATOR_TOKEN_RATE_H_
