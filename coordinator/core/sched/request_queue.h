// Who is scheduled first: requests by their tenant's turn, inside a tenant by rank (priority, then
// arrival). A preempted request comes back to its old place.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_REQUEST_QUEUE_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_REQUEST_QUEUE_H_

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "coordinator/core/sched/queue_places.h"
#include "coordinator/core/sched/request.h"
#include "coordinator/core/sched/tenants.h"

namespace switchyard::core {

// Holds pointers, owns nothing. Not thread-safe. A request costs O(log n); a tenant that comes,
// goes or moves also as many moves in an array as it passes others.
class RequestQueue {
 public:
  bool empty() const { return size_ == 0; }
  int32_t size() const { return size_; }

  // REQUIRES: it has a tenant and is not queued.
  void Insert(Request& request);

  // The first of the tenant whose turn it is. REQUIRES: !empty().
  Request& Front() const { return FirstAfter(0); }

  int32_t num_tenants() const { return static_cast<int32_t>(turns_.size()); }
  // The first of the tenant whose turn comes after `num_before` others. REQUIRES: there is one.
  Request& FirstAfter(int32_t num_before) const;

  // REQUIRES: `request` is queued.
  void Remove(const Request& request);

  // The turns of these have changed, and of no other tenant; no effect on those without requests
  // here. Many at once cost one pass over all.
  void Reorder(Tenant& tenant);
  void Reorder(std::span<Tenant* const> tenants);

  // The requests that have to go when the queue lacks `num` places for somebody who would have
  // `share` of them over its weight: answer by answer the last in rank of the tenant that has most
  // places over its weight, kept ones counted in, as long as that is more than `share`. Of answers
  // of which no choice ever ran; none at all if they have fewer than `num` places.
  std::vector<RequestId> CrowdedOut(int32_t num, double share, const QueuePlaces& places) const;

  int32_t NumOf(const Tenant& tenant) const;

  bool Contains(const Request& request) const;

  void CheckIntegrity() const;

 private:
  // One tenant's requests.
  struct Line {
    Turn turn;                                                  // under which `turns_` knows it
    std::map<std::pair<int64_t, uint64_t>, Request*> requests;  // by rank
  };

  using Place = std::pair<Turn, const Tenant*>;

  absl::flat_hash_map<const Tenant*, Line> lines_;  // none is empty; looked up only
  std::vector<Place> turns_;                        // last first
  std::vector<Place> moved_;                        // of Reorder, for its memory
  int32_t size_ = 0;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_REQUEST_QUEUE_H_
