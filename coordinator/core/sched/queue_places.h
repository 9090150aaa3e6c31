// How many requests may wait. An answer of several choices is several requests, of which the first
// may go alone (its prompt is computed once for all): places for the others are kept from the
// moment that it is taken, so that an answer which was begun is not refused half way.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_QUEUE_PLACES_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_QUEUE_PLACES_H_

#include <absl/container/flat_hash_map.h>

#include <cstdint>

#include "base/status.h"
#include "coordinator/core/events.h"

namespace switchyard::core {

// Owned by the Scheduler, who says how many wait. Not thread-safe.
class QueuePlaces {
 public:
  explicit QueuePlaces(int32_t most) : most_(most) {}

  // Places that the request lacks beside `num_waiting` that wait: itself and those that follow it,
  // none for one that has its place kept.
  int32_t NumLacking(const NewRequest& request, int32_t num_waiting) const;

  // INVALID_ARGUMENT if even an empty queue, of `most` places, has too few.
  static absl::Status CheckFits(const NewRequest& request, int32_t most);

  // OK if it lacks none. RESOURCE_EXHAUSTED if it has to try later, else as CheckFits.
  absl::Status Check(const NewRequest& request, int32_t num_waiting) const;

  // The request waits now: keeps places for those that follow it, or gives up the one kept for it.
  void Enter(const NewRequest& request);

  // Nothing follows `first` any more; no effect if nothing was to.
  void Forget(RequestId first);

  // Whether a place is kept for the request.
  bool IsKept(const NewRequest& request) const { return kept_.contains(request.follows); }

  int32_t num_kept() const { return num_kept_; }

  void CheckIntegrity() const;

 private:
  const int32_t most_;
  absl::flat_hash_map<RequestId, int32_t> kept_;  // by the first of the answer; none is 0
  int32_t num_kept_ = 0;                          // of all
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_QUEUE_PLACES_H_
