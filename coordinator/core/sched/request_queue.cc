#include "coordinator/core/sched/request_queue.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace switchyard::core {

void RequestQueue::Insert(Request& request) {
  const auto [it, fresh] = lines_.try_emplace(request.tenant);
  Line& line = it->second;
  if (fresh) {
    line.turn = request.tenant->turn();
    turns_.insert({line.turn, request.tenant});
  }
  const bool inserted = line.requests.emplace(request.rank(), &request).second;
  SY_CHECK(inserted) << "request " << request.id << " queued twice";
  ++size_;
}

Request& RequestQueue::Front() const {
  SY_CHECK(!empty());
  return *lines_.find(turns_.begin()->second)->second.requests.begin()->second;
}

void RequestQueue::Remove(const Request& request) {
  const auto it = lines_.find(request.tenant);
  SY_CHECK(it != lines_.end() && it->second.requests.erase(request.rank()) == 1)
      << "request " << request.id << " was not queued";
  --size_;
  if (!it->second.requests.empty()) return;
  turns_.erase({it->second.turn, request.tenant});
  lines_.erase(it);
}

void RequestQueue::Reorder(Tenant& tenant) {
  const auto it = lines_.find(&tenant);
  if (it == lines_.end() || it->second.turn == tenant.turn()) return;
  // The node stays: all that are served move in every step.
  auto place = turns_.extract({it->second.turn, &tenant});
  it->second.turn = tenant.turn();
  place.value().first = it->second.turn;
  turns_.insert(std::move(place));
}

std::vector<Request*> RequestQueue::CrowdedOut(int32_t num, double share) const {
  struct Rest {
    double weight;
    int64_t num;
    std::map<std::pair<int64_t, uint64_t>, Request*>::const_reverse_iterator next, end;
    double share() const { return double(num) / weight; }
  };
  std::vector<Rest> rests;
  for (const auto& [turn, tenant] : turns_) {
    const auto& requests = lines_.find(tenant)->second.requests;
    const auto size = std::ssize(requests);
    if (double(size) / tenant->weight <= share) continue;
    rests.push_back({tenant->weight, size, requests.rbegin(), requests.rend()});
  }
  std::vector<Request*> crowded_out;
  while (std::ssize(crowded_out) < num) {
    for (Rest& rest : rests) {
      while (rest.next != rest.end &&
             (rest.next->second->has_started() || !rest.next->second->is_alone))
        ++rest.next;
    }
    std::erase_if(rests,
                  [&](const Rest& rest) { return rest.next == rest.end || rest.share() <= share; });
    if (rests.empty()) return {};
    Rest& most = *std::max_element(rests.begin(), rests.end(), [](const Rest& a, const Rest& b) {
      return a.share() < b.share();
    });
    crowded_out.push_back((most.next++)->second);
    --most.num;
  }
  return crowded_out;
}

int32_t RequestQueue::NumOf(const Tenant& tenant) const {
  const auto it = lines_.find(&tenant);
  return it == lines_.end() ? 0 : static_cast<int32_t>(it->second.requests.size());
}

bool RequestQueue::Contains(const Request& request) const {
  const auto it = lines_.find(request.tenant);
  return it != lines_.end() && it->second.requests.contains(request.rank());
}

void RequestQueue::CheckIntegrity() const {
  size_t size = 0;
  for (const auto& [tenant, line] : lines_) {
    SY_CHECK(!line.requests.empty()) << "tenant " << tenant->name;
    SY_CHECK(line.turn == tenant->turn()) << "tenant " << tenant->name << " has an old turn";
    SY_CHECK(turns_.contains({line.turn, tenant})) << "tenant " << tenant->name;
    size += line.requests.size();
  }
  SY_CHECK_EQ(turns_.size(), lines_.size());
  SY_CHECK_EQ(static_cast<int32_t>(size), size_);
}

}  // namespace switchyard::core
