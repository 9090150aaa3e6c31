// The memory that log probabilities of whole vocabularies, and many of likeliest tokens beside a
// prompt's, may take of the coordinator, from the workers' results on until the client has read
// their text: a token of a large vocabulary has some 10 MB of it, and an answer's is there as a
// whole.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_LOGPROB_MEMORY_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_LOGPROB_MEMORY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "base/units.h"

namespace switchyard::gateway {

// What a log probability of a whole vocabulary takes until it is sent, about: in JSON, and in a
// message of gRPC.
inline constexpr int64_t kJsonBytesPerLogprob = 128;
inline constexpr int64_t kMessageBytesPerLogprob = 8;

// A request's part of it, which goes back with the last copy of `held`.
struct LogprobLease {
  int64_t num_bytes = 0;
  std::shared_ptr<const void> held;
};

// Shared by tenants. One that has none of it may take all that is free; one that has some takes
// more only as long as it then has no more than is left free. So one tenant's many requests leave
// half to others, and those of k tenants 1 / (k + 1) to the next one. Thread-safe; leases may
// outlive it.
class LogprobMemory {
 public:
  static constexpr int64_t kDefaultBytes = 1024 * kMiB;
  LogprobMemory() : LogprobMemory(kDefaultBytes) {}
  explicit LogprobMemory(int64_t max_bytes);

  // INVALID_ARGUMENT, about `field`, for more than there is at all; RESOURCE_EXHAUSTED for more
  // than the tenant may take just now. No bytes: no lease.
  absl::StatusOr<LogprobLease> Take(int64_t num_bytes, const std::string& tenant,
                                    std::string_view field);

  int64_t num_taken() const;

 private:
  struct Use;
  const int64_t max_bytes_;
  const std::shared_ptr<Use> use_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_LOGPROB_MEMORY_H_
