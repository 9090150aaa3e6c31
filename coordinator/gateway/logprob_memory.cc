#include "coordinator/gateway/logprob_memory.h"

#include <map>
#include <mutex>

#include "coordinator/gateway/error_map.h"

namespace switchyard::gateway {

struct LogprobMemory::Use {
  std::mutex mutex;
  int64_t num_bytes = 0;                     // guarded by mutex
  std::map<std::string, int64_t> of_tenant;  // guarded by mutex: those that have some

  void GiveBack(const std::string& tenant, int64_t count) {
    std::lock_guard lock(mutex);
    num_bytes -= count;
    const auto own = of_tenant.find(tenant);
    own->second -= count;
    if (own->second == 0) of_tenant.erase(own);
  }
};

LogprobMemory::LogprobMemory(int64_t max_bytes)
    : max_bytes_(max_bytes), use_(std::make_shared<Use>()) {}

int64_t LogprobMemory::num_taken() const {
  std::lock_guard lock(use_->mutex);
  return use_->num_bytes;
}

absl::StatusOr<LogprobLease> LogprobMemory::Take(int64_t num_bytes, const std::string& tenant,
                                                 std::string_view field) {
  if (num_bytes == 0) return LogprobLease{};
  const auto in_mib = [](int64_t bytes) { return (bytes + kMiB - 1) / kMiB; };
  if (num_bytes > max_bytes_) {
    return ParamError(
        field,
        fmt::format("'{}': so many log probabilities would take {} MiB, and the server has {} MiB "
                    "for them (--logprob-memory): ask for fewer",
                    field, in_mib(num_bytes), in_mib(max_bytes_)));
  }
  std::lock_guard lock(use_->mutex);
  const int64_t num_left = max_bytes_ - use_->num_bytes - num_bytes;
  if (num_left < 0) {
    return absl::ResourceExhaustedError(
        "other requests' log probabilities take all memory that there is for so many; try again "
        "later");
  }
  const auto own = use_->of_tenant.find(tenant);
  if (own != use_->of_tenant.end() && own->second + num_bytes > num_left) {
    return absl::ResourceExhaustedError(
        "this tenant's other log probabilities leave too little of the memory that there is for so "
        "many to others; try again later");
  }
  use_->num_bytes += num_bytes;
  use_->of_tenant[tenant] += num_bytes;
  return LogprobLease{
      .num_bytes = num_bytes,
      .held = std::shared_ptr<const void>(use_.get(), [use = use_, tenant, num_bytes](const void*) {
        use->GiveBack(tenant, num_bytes);
      })};
}

}  // namespace switchyard::gateway
