// Who is scheduled first: requests by their tenant's turn, inside a tenant by rank (priority, then
// arrival). A preempted request comes back to its old place.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_REQUEST_QUEUE_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_REQUEST_QUEUE_H_

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "coordinator/core/sched/request.h"
#include "coordinator/core/sched/tenants.h"

namespace switchyard::core {

// Holds pointers, owns nothing. Every call costs O(log n). Not thread-safe.
class RequestQueue {
 public:
  bool empty() const { return size_ == 0; }
  int32_t size() const { return size_; }

  // REQUIRES: it has a tenant and is not queued.
  void Insert(Request& request);

  // The first of the tenant whose turn it is. REQUIRES: !empty().
  Request& Front() const;

  // REQUIRES: `request` is queued.
  void Remove(const Request& request);

  // The tenant's turn has changed; no effect on a tenant without requests here.
  void Reorder(Tenant& tenant);

  // The `num` requests that have to go when the queue is too full for one more of somebody who
  // would have `share` requests here over its weight: one by one the last in rank of the tenant
  // that has most over its weight, as long as that is more than `share`. Of those that never ran
  // and are whole answers; none at all if there are fewer than `num`.
  std::vector<Request*> CrowdedOut(int32_t num, double share) const;

  int32_t NumOf(const Tenant& tenant) const;

  bool Contains(const Request& request) const;

  void CheckIntegrity() const;

 private:
  // One tenant's requests.
  struct Line {
    Turn turn;                                                  // under which `turns_` knows it
    std::map<std::pair<int64_t, uint64_t>, Request*> requests;  // by rank
  };

  absl::flat_hash_map<const Tenant*, Line> lines_;  // none is empty; looked up only
  std::set<std::pair<Turn, const Tenant*>> turns_;
  int32_t size_ = 0;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_REQUEST_QUEUE_H_
