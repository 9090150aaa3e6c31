// Responses that clients may ask for again, go on from, cancel or delete. In memory, and bounded.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_STORE_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_STORE_H_

#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/status.h"
#include "base/units.h"
#include "coordinator/gateway/completion.h"

namespace switchyard::gateway {

struct StoredResponse {
  std::string id;
  std::string tenant;  // nobody else sees it
  // As JSON, which takes a fraction of what parsed values take.
  std::string response;    // the object that clients get
  std::string input;       // the list of its request's items
  std::string context;     // the list of those before: of the responses that it went on from
  bool under_way = false;  // its end is still to come
  std::weak_ptr<Completion> running;  // of a response in the background
};

struct ResponsesStoreLimits {
  size_t responses_max = 4096;
  size_t bytes_max = 128 * kMiB;
  std::chrono::seconds age_max{24 * 3600};
};

// Thread-safe. What is kept longest goes first when a limit is passed; a response that is larger
// than all of the store is not kept.
class ResponsesStore {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit ResponsesStore(const ResponsesStoreLimits& limits = {}) : limits_(limits) {}

  // Keeps it, as the newest.
  void Put(StoredResponse response, TimePoint now);
  // The same for one that was kept already: false if it has gone meanwhile, or is at an end.
  bool Replace(StoredResponse response, TimePoint now);
  // NOT_FOUND: never there, another tenant's, deleted, or let go.
  absl::StatusOr<std::shared_ptr<const StoredResponse>> Get(const std::string& tenant,
                                                            const std::string& id, TimePoint now);
  // What was there.
  absl::StatusOr<std::shared_ptr<const StoredResponse>> Delete(const std::string& tenant,
                                                               const std::string& id,
                                                               TimePoint now);

  size_t num_responses() const;
  size_t num_bytes() const;

 private:
  struct Entry {
    std::shared_ptr<const StoredResponse> response;
    size_t num_bytes = 0;
    TimePoint kept_at;
  };
  using Entries = std::list<Entry>;

  // With the lock held.
  Entries::iterator Find(const std::string& tenant, const std::string& id, TimePoint now);
  void Keep(StoredResponse response, size_t num_bytes, TimePoint now);
  void Drop(Entries::iterator entry);
  void DropOld(TimePoint now);

  const ResponsesStoreLimits limits_;
  mutable std::mutex mutex_;
  Entries entries_;  // the oldest stands first
  std::unordered_map<std::string, Entries::iterator> by_id_;
  size_t num_bytes_ = 0;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_STORE_H_
