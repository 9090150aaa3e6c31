#include "coordinator/core/sched/tenants.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace switchyard::core {

Tenant& Tenants::Join(std::string_view name, double weight) {
  SY_CHECK_GT(weight, 0) << "tenant " << name;
  std::unique_ptr<Tenant>& known = tenants_[std::string(name)];
  if (known == nullptr) {
    known = std::make_unique<Tenant>();
    known->name = std::string(name);
  }
  Tenant& tenant = *known;
  if (tenant.num_requests++ == 0) {
    idle_.erase({tenant.turn(), &tenant});
    tenant.virtual_time = std::max(tenant.virtual_time, now_);
    tenant.number = next_number_++;
    tenant.waits_since = came_now_;
    ++num_active_;
  } else {
    active_weight_ -= tenant.weight;
  }
  tenant.weight = weight;
  active_weight_ += weight;
  return tenant;
}

void Tenants::Leave(Tenant& tenant) {
  SY_CHECK_GT(tenant.num_requests, 0) << "tenant " << tenant.name;
  if (--tenant.num_requests > 0) return;
  active_weight_ -= tenant.weight;
  if (--num_active_ == 0) active_weight_ = 0;  // also of what rounding left
  idle_.insert({tenant.turn(), &tenant});
  ForgetIdle();
}

const Tenant* Tenants::Find(std::string_view name) const {
  const auto it = tenants_.find(std::string(name));
  return it == tenants_.end() ? nullptr : it->second.get();
}

void Tenants::Charge(Tenant& tenant, int32_t num_tokens) {
  SY_CHECK_GT(tenant.num_requests, 0) << "tenant " << tenant.name;
  tenant.virtual_time += num_tokens / tenant.weight;
  tenant.waits_since = came_now_ + 3;
  num_served_ += num_tokens;
  if (tenant.served) return;
  tenant.served = true;
  served_.push_back(&tenant);
}

void Tenants::EndStep(std::optional<double> waiting) {
  std::optional<double> least;
  for (Tenant* tenant : served_) {
    tenant->served = false;
    least = std::min(least.value_or(tenant->virtual_time), tenant->virtual_time);
  }
  served_.clear();
  if (waiting.has_value()) {
    const double passed = num_active_ > 0 ? num_served_ / active_weight_ : 0;
    least = std::min(least.value_or(*waiting), std::max(*waiting, now_ + passed));
  }
  if (least.has_value()) now_ = std::max(now_, *least);
  num_served_ = 0;
  came_now_ += 2;
  ForgetIdle();
}

// Of those behind the time nothing need be known: they would start at it. With nobody left to be
// fair to, all start anew.
void Tenants::ForgetIdle() {
  if (!served_.empty()) return;  // in the middle of a step
  while (!idle_.empty()) {
    Tenant* const tenant = idle_.begin()->second;
    const bool behind = tenant->virtual_time <= now_;
    if (!behind && num_active_ > 0 && idle_.size() <= kMaxIdle) return;
    now_ = num_active_ > 0 ? now_ : std::max(now_, tenant->virtual_time);
    idle_.erase(idle_.begin());
    tenants_.erase(std::string(tenant->name));
  }
}

void Tenants::CheckIntegrity() const {
  int32_t num_active = 0;
  double weight = 0;
  for (const auto& [name, tenant] : tenants_) {
    SY_CHECK_EQ(name, tenant->name);
    SY_CHECK_EQ(tenant->num_requests == 0, idle_.contains({tenant->turn(), tenant.get()}))
        << "tenant " << name;
    if (tenant->num_requests == 0) continue;
    ++num_active;
    weight += tenant->weight;
  }
  SY_CHECK_EQ(num_active, num_active_);
  SY_CHECK_LE(idle_.size(), kMaxIdle);
  SY_CHECK_LE(std::abs(weight - active_weight_), 1e-6 * (1 + weight));
}

}  // namespace switchyard::core
