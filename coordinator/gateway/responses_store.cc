#include "coordinator/gateway/responses_store.h"

#include <fmt/format.h>

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

void ResponsesStore::Put(StoredResponse response, TimePoint now) {
  const size_t num_bytes = SizeOf(response);
  std::lock_guard lock(mutex_);
  Keep(std::move(response), num_bytes, now);
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

void ResponsesStore::Keep(StoredResponse response, size_t num_bytes, TimePoint now) {
  DropOld(now);
  if (num_bytes > limits_.bytes_max) return;
  num_bytes_ += num_bytes;
  const std::string id = response.id;
  entries_.push_back({.response = std::make_shared<const StoredResponse>(std::move(response)),
                      .num_bytes = num_bytes,
                      .kept_at = now});
  by_id_[id] = std::prev(entries_.end());
  while (entries_.size() > limits_.responses_max || num_bytes_ > limits_.bytes_max) {
    Drop(entries_.begin());
  }
}

void ResponsesStore::Drop(Entries::iterator entry) {
  num_bytes_ -= entry->num_bytes;
  by_id_.erase(entry->response->id);
  entries_.erase(entry);
}

void ResponsesStore::DropOld(TimePoint now) {
  while (!entries_.empty() && now - entries_.front().kept_at > limits_.age_max) {
    Drop(entries_.begin());
  }
}

}  // namespace switchyard::gateway
