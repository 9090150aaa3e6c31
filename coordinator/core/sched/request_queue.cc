#include "coordinator/core/sched/request_queue.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "base/check.h"

namespace switchyard::core {

void RequestQueue::Insert(Request& request) {
  const auto [it, fresh] = lines_.try_emplace(request.tenant);
  Line& line = it->second;
  if (fresh) {
    line.turn = request.tenant->turn();
    const Place place(line.turn, request.tenant);
    turns_.insert(std::lower_bound(turns_.begin(), turns_.end(), place, std::greater<>()), place);
  }
  const bool inserted = line.requests.emplace(request.rank(), &request).second;
  SY_CHECK(inserted) << "request " << request.id << " queued twice";
  ++size_;
}

Request& RequestQueue::FirstAfter(int32_t num_before) const {
  SY_CHECK_LT(num_before, num_tenants());
  const Tenant* tenant = turns_[turns_.size() - 1 - num_before].second;
  return *lines_.find(tenant)->second.requests.begin()->second;
}

void RequestQueue::Remove(const Request& request) {
  const auto it = lines_.find(request.tenant);
  SY_CHECK(it != lines_.end() && it->second.requests.erase(request.rank()) == 1)
      << "request " << request.id << " was not queued";
  --size_;
  if (!it->second.requests.empty()) return;
  const Place place(it->second.turn, request.tenant);
  turns_.erase(std::lower_bound(turns_.begin(), turns_.end(), place, std::greater<>()));
  lines_.erase(it);
}

void RequestQueue::Reorder(Tenant& tenant) {
  const auto it = lines_.find(&tenant);
  if (it == lines_.end() || it->second.turn == tenant.turn()) return;
  const auto find = [&](const Place& place) {
    return std::lower_bound(turns_.begin(), turns_.end(), place, std::greater<>());
  };
  const auto from = find({it->second.turn, &tenant});
  it->second.turn = tenant.turn();
  const Place place(it->second.turn, &tenant);
  const auto to = find(place);
  *from = place;
  if (to <= from) {
    std::rotate(to, from, from + 1);
  } else {
    std::rotate(from, from + 1, to);
  }
}

void RequestQueue::Reorder(std::span<Tenant* const> tenants) {
  moved_.clear();
  for (const Tenant* tenant : tenants) {
    const auto it = lines_.find(tenant);
    if (it == lines_.end() || it->second.turn == tenant->turn()) continue;
    it->second.turn = tenant->turn();
    moved_.emplace_back(it->second.turn, tenant);
  }
  if (moved_.empty()) return;
  std::sort(moved_.begin(), moved_.end(), std::greater<>());
  // Those that stay, then the others between them.
  std::erase_if(turns_, [](const Place& place) { return place.first != place.second->turn(); });
  const auto num_staying = std::ssize(turns_);
  turns_.insert(turns_.end(), moved_.begin(), moved_.end());
  std::inplace_merge(turns_.begin(), turns_.begin() + num_staying, turns_.end(), std::greater<>());
}

std::vector<RequestId> RequestQueue::CrowdedOut(int32_t num, double share,
                                                const QueuePlaces& places) const {
  struct Rest {
    double weight;
    int64_t num_places;
    std::map<std::pair<int64_t, uint64_t>, Request*>::const_reverse_iterator next, end;
    double share() const { return double(num_places) / weight; }
  };
  std::vector<Rest> rests;
  for (const auto& [turn, tenant] : turns_) {
    const auto& requests = lines_.find(tenant)->second.requests;
    const int64_t num_places = std::ssize(requests) + places.NumKeptOf(tenant->name);
    if (double(num_places) / tenant->weight <= share) continue;
    rests.push_back({tenant->weight, num_places, requests.rbegin(), requests.rend()});
  }
  std::vector<RequestId> crowded_out;
  for (int32_t num_made = 0; num_made < num;) {
    for (Rest& rest : rests) {
      while (rest.next != rest.end && places.GoingWith(*rest.next->second).num_places == 0)
        ++rest.next;
    }
    std::erase_if(rests,
                  [&](const Rest& rest) { return rest.next == rest.end || rest.share() <= share; });
    if (rests.empty()) return {};
    Rest& most = *std::max_element(rests.begin(), rests.end(), [](const Rest& a, const Rest& b) {
      return a.share() < b.share();
    });
    const QueuePlaces::Group group = places.GoingWith(*(most.next++)->second);
    crowded_out.insert(crowded_out.end(), group.waiting.begin(), group.waiting.end());
    most.num_places -= group.num_places;
    num_made += group.num_places;
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
    SY_CHECK(std::binary_search(turns_.begin(), turns_.end(), Place(line.turn, tenant),
                                std::greater<>()))
        << "tenant " << tenant->name;
    size += line.requests.size();
  }
  SY_CHECK_EQ(turns_.size(), lines_.size());
  SY_CHECK_EQ(static_cast<int32_t>(size), size_);
}

}  // namespace switchyard::core
