#include "coordinator/core/membership/failure_detector.h"

#include <algorithm>

#include "base/check.h"

namespace switchyard::core {

void FailureDetector::Heard(ConnectionId connection, Instant now) {
  const auto it = last_heard_.find(connection);
  if (it != last_heard_.end()) it->second = std::max(it->second, now);
}

std::chrono::milliseconds FailureDetector::Silence(ConnectionId connection, Instant now) const {
  const auto it = last_heard_.find(connection);
  SY_CHECK(it != last_heard_.end()) << "connection " << connection << " is not watched";
  return std::max(now - it->second, std::chrono::milliseconds(0));
}

}  // namespace switchyard::core
