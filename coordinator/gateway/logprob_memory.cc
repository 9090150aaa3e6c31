#include "coordinator/gateway/logprob_memory.h"

#include <atomic>

#include "coordinator/gateway/error_map.h"

namespace switchyard::gateway {

struct LogprobMemory::Use {
  std::atomic<int64_t> num_bytes{0};
};

LogprobMemory::LogprobMemory(int64_t max_bytes)
    : max_bytes_(max_bytes), use_(std::make_shared<Use>()) {}

int64_t LogprobMemory::num_taken() const { return use_->num_bytes; }

absl::StatusOr<LogprobLease> LogprobMemory::Take(int64_t num_bytes, std::string_view field) {
  if (num_bytes == 0) return LogprobLease{};
  const auto in_mib = [](int64_t bytes) { return (bytes + kMiB - 1) / kMiB; };
  if (num_bytes > max_bytes_) {
    return ParamError(
        field,
        fmt::format("'{}': log probabilities of the whole vocabulary would take {} MiB, and "
                    "the server has {} MiB for them (--logprob-memory): ask for fewer tokens",
                    field, in_mib(num_bytes), in_mib(max_bytes_)));
  }
  // Added before it is compared: of two at a time one may be refused that the other leaves room
  // for.
  if (use_->num_bytes.fetch_add(num_bytes) > max_bytes_ - num_bytes) {
    use_->num_bytes -= num_bytes;
    return absl::ResourceExhaustedError(
        "log probabilities of whole vocabularies take all memory that there is for them; try again "
        "later");
  }
  return LogprobLease{
      .num_bytes = num_bytes,
      .held = std::shared_ptr<const void>(
          this, [use = use_, num_bytes](const void*) { use->num_bytes -= num_bytes; })};
}

}  // namespace switchyard::gateway
