#include "coordinator/token_rate.h"

namespace switchyard {

void TokenRate::OnTick(core::Instant now) {
  counts_.emplace_back(now, num_tokens_);
  while (counts_.size() > 2 && counts_.front().first + kWindow < now) counts_.pop_front();
}

double TokenRate::PerSecond() const {
  if (counts_.empty()) return 0;
  const auto& [then, tokens_then] = counts_.front();
  const auto& [now, tokens_now] = counts_.back();
  if (now <= then) return 0;
  return 1000.0 * static_cast<double>(tokens_now - tokens_then) /
         static_cast<double>((now - then).count());
}

}  // namespace switchyard
