#include "coordinator/core/sched/request_queue.h"

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
  turns_.erase({it->second.turn, &tenant});
  it->second.turn = tenant.turn();
  turns_.insert({it->second.turn, &tenant});
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
