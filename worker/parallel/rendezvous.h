// How ranks find each other: a small table of bytes that all can write and wait on while they
// start. Between processes it lives at the coordinator (service Rendezvous,
// worker/membership_client); here is the one for ranks of one process.
#ifndef SWITCHYARD_WORKER_PARALLEL_RENDEZVOUS_H_
#define SWITCHYARD_WORKER_PARALLEL_RENDEZVOUS_H_

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/units.h"

namespace switchyard::worker {

// Implementations are safe to use from any thread.
class RendezvousStore {
 public:
  using Deadline = std::chrono::steady_clock::time_point;
  static constexpr int64_t kMaxKeyBytes = 256;
  static constexpr int64_t kMaxValueBytes = kMiB;

  virtual ~RendezvousStore() = default;

  // Sets a key once; setting it again to the same bytes is no error. INVALID_ARGUMENT over the
  // sizes above, ALREADY_EXISTS if it is set to other bytes, RESOURCE_EXHAUSTED when the table is
  // full.
  virtual absl::Status Put(std::string_view key, std::string_view value) = 0;

  // The key's bytes as soon as they are set. DEADLINE_EXCEEDED (naming the key) at the deadline,
  // CANCELLED when the start-up was given up.
  virtual absl::StatusOr<std::string> Wait(std::string_view key, Deadline deadline) = 0;
};

// Wait, which `given_up` ends soon with CANCELLED. It may be empty.
absl::StatusOr<std::string> WaitUnlessGivenUp(RendezvousStore& store, std::string_view key,
                                              RendezvousStore::Deadline deadline,
                                              const std::function<bool()>& given_up);

// For ranks that are threads of one process.
class LocalRendezvous final : public RendezvousStore {
 public:
  static constexpr size_t kMaxKeys = 65536;

  absl::Status Put(std::string_view key, std::string_view value) override;
  absl::StatusOr<std::string> Wait(std::string_view key, Deadline deadline) override;
  // Ends pending and later waits with CANCELLED.
  void Cancel();

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, std::string, std::less<>> values_;
  bool cancelled_ = false;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_RENDEZVOUS_H_
