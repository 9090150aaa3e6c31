// Who is scheduled first: waiting requests in order of arrival. A preempted request comes back to
// its old place.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_REQUEST_QUEUE_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_REQUEST_QUEUE_H_

#include <cstdint>
#include <map>

#include "coordinator/core/sched/request.h"

namespace switchyard::core {

// Holds pointers, owns nothing. Insert and Remove cost O(log n). Not thread-safe.
class RequestQueue {
 public:
  bool empty() const { return by_arrival_.empty(); }
  int32_t size() const { return static_cast<int32_t>(by_arrival_.size()); }

  // REQUIRES: no other request of that arrival is queued.
  void Insert(Request& request);

  // The oldest. REQUIRES: !empty().
  Request& Front() const;

  // REQUIRES: `request` is queued.
  void Remove(const Request& request);

  bool Contains(const Request& request) const { return by_arrival_.contains(request.arrival); }

 private:
  std::map<uint64_t, Request*> by_arrival_;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_REQUEST_QUEUE_H_
