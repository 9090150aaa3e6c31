// Who gets the next tokens: tenants in order of virtual time, which is what each was given over its
// weight (start-time fair queueing: Goyal, Vin, Cheng, SIGCOMM 1996). One that comes, or comes
// back, starts at the time of those that are served, so that nobody saves up, and a flood of one
// tenant does not stand before another's next request. That time goes on with what is served (as
// in WF2Q+: Bennett, Zhang, SIGCOMM 1996) though somebody waits at an older one: so ever new
// tenants do not keep those waiting that came before them or were served before.
#ifndef SWITCHYARD_COORDINATOR_CORE_SCHED_TENANTS_H_
#define SWITCHYARD_COORDINATOR_CORE_SCHED_TENANTS_H_

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace switchyard::core {

// Smaller goes first.
using Turn = std::tuple<double, int64_t, int64_t>;

struct Tenant {
  std::string name;
  int64_t number = 0;       // counts tenants as they come and come back
  int64_t waits_since = 0;  // it came or was served last, see Tenants
  double weight = 1;
  double virtual_time = 0;   // computed tokens over weight, from where it started
  int32_t num_requests = 0;  // waiting and running
  bool served = false;       // in the step being built

  // At equal times who waits longer goes first.
  Turn turn() const { return {virtual_time, waits_since, number}; }
};

// Owned by the Scheduler; owns the tenants. Not thread-safe. Remembers tenants that have requests,
// and for a while those that were given more than others just before they went.
class Tenants {
 public:
  static constexpr size_t kMaxIdle = 1024;

  // One more request of the tenant. Valid until as many calls of Leave. REQUIRES: weight > 0.
  Tenant& Join(std::string_view name, double weight);
  void Leave(Tenant& tenant);

  // The tenant of that name, null if nothing is known of it.
  const Tenant* Find(std::string_view name) const;

  // The tenant was given `num_tokens`. A queue that orders by turn() must hear of it.
  void Charge(Tenant& tenant, int32_t num_tokens);

  // Those charged since the last EndStep, each once.
  const std::vector<Tenant*>& served() const { return served_; }

  // The time of newcomers becomes that of the one furthest behind of those served in this step. If
  // the first that waits is behind them, at `waiting`, it becomes that, or goes on by what was
  // served over the weight of all, if that is more.
  void EndStep(std::optional<double> waiting);

  // Of `total`, what falls to the tenant by weight, of all that have requests.
  double ShareOf(const Tenant& tenant, double total) const {
    return total * tenant.weight / active_weight_;
  }

  int32_t num_active() const { return num_active_; }
  int32_t num_known() const { return static_cast<int32_t>(tenants_.size()); }

  void CheckIntegrity() const;

 private:
  void ForgetIdle();

  absl::flat_hash_map<std::string, std::unique_ptr<Tenant>> tenants_;  // by name; looked up only
  std::set<std::pair<Turn, Tenant*>> idle_;                            // without requests, by turn
  std::vector<Tenant*> served_;
  double num_served_ = 0;  // tokens, in the step being built
  double now_ = 0;         // virtual time
  double active_weight_ = 0;
  int32_t num_active_ = 0;
  int64_t next_number_ = 1;
  // Tenant::waits_since of one that comes now. One served in this step waits since then + 3: it has
  // its turn after those that come until the next step, and before those that come later.
  int64_t came_now_ = 0;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_SCHED_TENANTS_H_
