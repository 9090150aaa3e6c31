// How a request wants to be scheduled: fields of the body, and headers that say whose it is.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_SCHEDULING_FIELDS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_SCHEDULING_FIELDS_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"
#include "coordinator/gateway/http_message.h"
#include "coordinator/gateway/json_fields.h"

namespace switchyard::gateway {

struct SchedulingFields {
  static constexpr size_t kMaxTenantBytes = 128;
  static constexpr size_t kMaxSaltBytes = 256;
  static constexpr int32_t kMaxPriority = 1000;  // and its negative
  static constexpr double kMaxTimeoutSeconds = 7 * 24 * 3600;

  std::string tenant;      // header X-Tenant; empty: the tenant of all without
  int32_t priority = 0;    // `priority`: among the tenant's; smaller goes first
  std::string cache_salt;  // `cache_salt`: prefixes are shared with the same salt only
  std::chrono::milliseconds timeout{0};  // `timeout`, seconds from `arrived` on; 0: none
  std::optional<std::chrono::steady_clock::time_point> arrived;  // of the RequestOrigin
  bool drafts = true;  // `drafts`: tokens may be drafted, where the cluster does
};

// What is known of a request beside its body.
struct RequestOrigin {
  std::string_view tenant;  // header X-Tenant, or the tenant of the key
  // When it had come as a whole, before it waited for a thread that reads it; unset: just now.
  std::optional<std::chrono::steady_clock::time_point> arrived;
};

inline RequestOrigin OriginOf(const HttpRequest& request) {
  return {.tenant = request.tenant, .arrived = request.arrived};
}

// INVALID_ARGUMENT with the field as param.
absl::Status ReadScheduling(const RequestFields& request, SchedulingFields* fields);

// INVALID_ARGUMENT for a tenant's name that is too long, or not of visible ASCII characters;
// DEADLINE_EXCEEDED if the timeout, which was read before, is over.
absl::Status ReadOrigin(const RequestOrigin& origin, SchedulingFields* fields);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_SCHEDULING_FIELDS_H_
