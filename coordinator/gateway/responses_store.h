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
namespace switchyard::gateway {

// A response that is generated in the background, for those who ask of it meanwhile. Thread-safe.
class RunningResponse {
 public:
  virtual ~RunningResponse() = default;
  // The object that clients get, as far as it has come, as JSON.
  virtual std::string Snapshot() = 0;
  // Ends it, where that has not happened: who listens to it is told, and the store, if it still has
  // it, has it as cancelled.
  virtual void Cancel() = 0;
};

struct StoredResponse {
  std::string id;
  std::string tenant;  // nobody else sees it
  // As JSON, which takes a fraction of what parsed values take.
  std::string response;    // the object that clients get
  std::string input;       // the list of its request's items
  std::string context;     // the list of those before: of the responses that it went on from
  bool under_way = false;  // its end is still to come
  std::weak_ptr<RunningResponse> running;  // while it is under way
};

struct ResponsesStoreLimits {
  size_t responses_max = 4096;
  size_t bytes_max = 128 * kMiB;
  std::chrono::seconds age_max{24 * 3600};
};

// Thread-safe. When a limit is passed, the tenant that has most of it loses what it has kept
// longest. What is under way stays; a response for which there is no room beside it, or that is
// larger than all of the store, is not kept.
class ResponsesStore {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  explicit ResponsesStore(const ResponsesStoreLimits& limits = {}) : limits_(limits) {}

  // Keeps it, as the newest. False: it is not kept.
  bool Put(StoredResponse response, TimePoint now);
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
  // What one tenant has of the store.
  struct Share {
    size_t num_bytes = 0;
    size_t num_responses = 0;
    size_t num_under_way = 0;
  };

  // With the lock held.
  Entries::iterator Find(const std::string& tenant, const std::string& id, TimePoint now);
  bool Keep(StoredResponse response, size_t num_bytes, TimePoint now);
  // Whose turn it is to go; the end if all is under way.
  Entries::iterator FindVictim();
  void Drop(Entries::iterator entry);
  void DropOld(TimePoint now);

  const ResponsesStoreLimits limits_;
  mutable std::mutex mutex_;
  Entries entries_;  // the oldest stands first
  std::unordered_map<std::string, Entries::iterator> by_id_;
  std::unordered_map<std::string, Share> shares_;  // of tenants that have any
  size_t num_bytes_ = 0;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_STORE_H_
