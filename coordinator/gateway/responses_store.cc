#include "coordinator/gateway/responses_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "coordinator/gateway/error_map.h"

namespace switchyard::gateway {
namespace {

size_t SizeOf(const StoredResponse& response) {
  return sizeof(response) + response.tenant.size() + response.response.size() +
         response.input.size() + response.context.size();
}

absl::Status NotFound(const std::string& id) {
  return WithParam(absl::NotFoundError(fmt::format("there is no response '{}'", id.substr(0, 100))),
                   "", "response_not_found");
}

}  // namespace

bool ResponsesStore::Put(StoredResponse response, TimePoint now) {
  const size_t num_bytes = SizeOf(response);
  std::lock_guard lock(mutex_);
  return Keep(std::move(response), num_bytes, now);
}

bool ResponsesStore::Replace(StoredResponse response, TimePoint now) {
  const size_t num_bytes = SizeOf(response);
  std::lock_guard lock(mutex_);
  const auto entry = Find(response.tenant, response.id, now);
  if (entry == entries_.end() || !entry->response->under_way) return false;
  Drop(entry);
  Keep(std::move(response), num_bytes, now);
  return true;
}

absl::StatusOr<std::shared_ptr<const StoredResponse>> ResponsesStore::Get(const std::string& tenant,
                                                                          const std::string& id,
                                                                          TimePoint now) {
  std::lock_guard lock(mutex_);
  const auto entry = Find(tenant, id, now);
  if (entry == entries_.end()) return NotFound(id);
  return entry->response;
}

absl::StatusOr<std::shared_ptr<const StoredResponse>> ResponsesStore::Delete(
    const std::string& tenant, const std::string& id, TimePoint now) {
  std::lock_guard lock(mutex_);
  const auto entry = Find(tenant, id, now);
  if (entry == entries_.end()) return NotFound(id);
  const std::shared_ptr<const StoredResponse> response = entry->response;
  Drop(entry);
  return response;
}

size_t ResponsesStore::num_responses() const {
  std::lock_guard lock(mutex_);
  return entries_.size();
}

size_t ResponsesStore::num_bytes() const {
  std::lock_guard lock(mutex_);
  return num_bytes_;
}

ResponsesStore::Entries::iterator ResponsesStore::Find(const std::string& tenant,
                                                       const std::string& id, TimePoint now) {
  DropOld(now);
  const auto known = by_id_.find(id);
  if (known == by_id_.end() || known->second->response->tenant != tenant) return entries_.end();
  return known->second;
}

bool ResponsesStore::Keep(StoredResponse response, size_t num_bytes, TimePoint now) {
  DropOld(now);
  if (num_bytes > limits_.bytes_max) return false;
  Share& share = shares_[response.tenant];
  share.num_bytes += num_bytes;
  ++share.num_responses;
  share.num_under_way += response.under_way ? 1 : 0;
  num_bytes_ += num_bytes;
  const std::string id = response.id;
  entries_.push_back({.response = std::make_shared<const StoredResponse>(std::move(response)),
                      .num_bytes = num_bytes,
                      .kept_at = now});
  by_id_[id] = std::prev(entries_.end());
  while (entries_.size() > limits_.responses_max || num_bytes_ > limits_.bytes_max) {
    const auto victim = FindVictim();
    Drop(victim != entries_.end() ? victim : by_id_.at(id));
  }
  return by_id_.count(id) > 0;
}

ResponsesStore::Entries::iterator ResponsesStore::FindVictim() {
  const bool by_bytes = num_bytes_ > limits_.bytes_max;
  const std::string* tenant = nullptr;
  size_t most = 0;
  for (const auto& [name, share] : shares_) {
    const size_t size = by_bytes ? share.num_bytes : share.num_responses;
    if (share.num_under_way == share.num_responses || size <= most) continue;
    tenant = &name;
    most = size;
  }
  return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return tenant != nullptr && !entry.response->under_way && entry.response->tenant == *tenant;
  });
}

void ResponsesStore::Drop(Entries::iterator entry) {
  const StoredResponse& response = *entry->response;
  const auto share = shares_.find(response.tenant);
  share->second.num_bytes -= entry->num_bytes;
  share->second.num_under_way -= response.under_way ? 1 : 0;
  if (--share->second.num_responses == 0) shares_.erase(share);
  num_bytes_ -= entry->num_bytes;
  by_id_.erase(response.id);
  entries_.erase(entry);
}

void ResponsesStore::DropOld(TimePoint now) {
  auto entry = entries_.begin();
  while (entry != entries_.end() && now - entry->kept_at > limits_.age_max) {
    const auto old = entry++;
    if (!old->response->under_way) Drop(old);
  }
}

}  // namespace switchyard::gateway
