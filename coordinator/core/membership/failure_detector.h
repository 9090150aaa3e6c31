// Who has been silent for too long. Time is what the caller says it is: this library has no clock.
#ifndef SWITCHYARD_COORDINATOR_CORE_MEMBERSHIP_FAILURE_DETECTOR_H_
#define SWITCHYARD_COORDINATOR_CORE_MEMBERSHIP_FAILURE_DETECTOR_H_

#include <chrono>
#include <cstdint>
#include <map>

namespace switchyard::core {

// Names one worker's stream; chosen by the edge that accepts it, never used again.
using ConnectionId = uint64_t;

// A moment, counted from any fixed one, as a steady clock gives it.
using Instant = std::chrono::milliseconds;

// Owned by Membership. Not thread-safe.
class FailureDetector {
 public:
  explicit FailureDetector(std::chrono::milliseconds max_silence) : max_silence_(max_silence) {}

  // Watches the connection from now on.
  void Watch(ConnectionId connection, Instant now) { last_heard_[connection] = now; }
  void Forget(ConnectionId connection) { last_heard_.erase(connection); }

  // Something came. A connection that is not watched is no error; time that runs backwards changes
  // nothing.
  void Heard(ConnectionId connection, Instant now);

  // Time since its last word. REQUIRES: it is watched.
  std::chrono::milliseconds Silence(ConnectionId connection, Instant now) const;

  bool IsSilent(ConnectionId connection, Instant now) const {
    return Silence(connection, now) > max_silence_;
  }

 private:
  const std::chrono::milliseconds max_silence_;
  std::map<ConnectionId, Instant> last_heard_;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_MEMBERSHIP_FAILURE_DETECTOR_H_
