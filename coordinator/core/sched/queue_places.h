// How many requests may wait. An answer of several choices is several requests, of which the first
// may go alone (its prompt is computed once for all): places for the others are kept from the
// moment that it is taken, so that an answer which was begun is not refused half way. Kept places
// are their tenant's as those of requests that wait. One that was not begun can make place for
// another tenant's requests: all of it or nothing.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_QUEUE_PLACES_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_QUEUE_PLACES_H_

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "coordinator/core/events.h"
#include "coordinator/core/sched/request.h"

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
  // Returns the answer that it is a choice of, by the first; 0 if it has no others.
  RequestId Enter(const NewRequest& request);

  // One of the answer's choices starts or ends: it makes place for nobody any more.
  void Begin(RequestId answer);

  // Nothing follows `first` any more; no effect if nothing was to.
  void Forget(RequestId first);

  // Whether a place is kept for the request.
  bool IsKept(const NewRequest& request) const;

  int32_t num_kept() const { return num_kept_; }
  int32_t NumKeptOf(const std::string& tenant) const;

  // What makes place together.
  struct Group {
    std::span<const RequestId> waiting;  // the first choice first; until the places change
    int32_t num_places = 0;              // kept ones included; none: it does not make place
  };
  // An answer goes by the newest choice that waits. Nothing for its other choices, and where one
  // of them has started.
  Group GoingWith(const Request& waiting) const;

  void CheckIntegrity() const;

 private:
  // An answer of several choices that was not begun, or that more will follow.
  struct Answer {
    std::string tenant;
    int32_t num_kept = 0;            // places
    std::vector<RequestId> waiting;  // its choices so far; none once it was begun
  };
  using Answers = absl::flat_hash_map<RequestId, Answer>;  // by the first choice

  void Release(Answer& answer, int32_t num);  // of its kept places
  void ForgetIfDone(Answers::iterator it);

  const int32_t most_;
  Answers answers_;
  int32_t num_kept_ = 0;                                   // of all
  absl::flat_hash_map<std::string, int32_t> num_kept_of_;  // by tenant; none is 0
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_QUEUE_PLACES_H_
