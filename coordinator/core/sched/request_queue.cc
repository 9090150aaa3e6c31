#include "coordinator/core/sched/request_queue.h"

#include "base/check.h"

namespace switchyard::core {

void RequestQueue::Insert(Request& request) {
  const bool inserted = by_arrival_.emplace(request.arrival, &request).second;
  SY_CHECK(inserted) << "request " << request.id << " queued twice";
}

Request& RequestQueue::Front() const {
  SY_CHECK(!empty());
  return *by_arrival_.begin()->second;
}

void RequestQueue::Remove(const Request& request) {
  const size_t removed = by_arrival_.erase(request.arrival);
  SY_CHECK_EQ(removed, 1u) << "request " << request.id << " was not queued";
}

}  // namespace switchyard::core
