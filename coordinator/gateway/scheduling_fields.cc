#include "coordinator/gateway/scheduling_fields.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/field_error.h"
#include "coordinator/gateway/error_map.h"

namespace switchyard::gateway {

absl::Status ReadScheduling(const RequestFields& request, SchedulingFields* fields) {
  std::optional<int32_t> priority;
  std::optional<float> timeout;
  SY_RETURN_IF_ERROR(ReadInt32(request, "priority", &priority));
  SY_RETURN_IF_ERROR(ReadFloat(request, "timeout", &timeout));
  SY_RETURN_IF_ERROR(ReadString(request, "cache_salt", &fields->cache_salt));
  SY_RETURN_IF_ERROR(ReadBool(request, "drafts", &fields->drafts));
  fields->priority = priority.value_or(0);
  if (std::abs(int64_t{fields->priority}) > SchedulingFields::kMaxPriority) {
    return ParamError("priority", fmt::format("'priority' must be from -{0} to {0}",
                                              SchedulingFields::kMaxPriority));
  }
  if (fields->cache_salt.size() > SchedulingFields::kMaxSaltBytes) {
    return ParamError("cache_salt", fmt::format("'cache_salt' has more than {} bytes",
                                                SchedulingFields::kMaxSaltBytes));
  }
  if (!timeout) return absl::OkStatus();
  if (!(*timeout > 0 && *timeout <= SchedulingFields::kMaxTimeoutSeconds)) {
    return ParamError("timeout", fmt::format("'timeout' must be over 0 and at most {} seconds",
                                             SchedulingFields::kMaxTimeoutSeconds));
  }
  fields->timeout = std::chrono::milliseconds(std::max<int64_t>(1, std::llround(*timeout * 1000)));
  return absl::OkStatus();
}

absl::Status ReadOrigin(const RequestOrigin& origin, SchedulingFields* fields) {
  const std::string_view tenant = origin.tenant;
  const bool visible =
      std::all_of(tenant.begin(), tenant.end(), [](char c) { return c > ' ' && c < 0x7F; });
  if (!visible || tenant.size() > SchedulingFields::kMaxTenantBytes) {
    return ParamError("X-Tenant",
                      fmt::format("the header X-Tenant takes at most {} visible ASCII characters",
                                  SchedulingFields::kMaxTenantBytes));
  }
  fields->tenant = std::string(tenant);
  const auto now = std::chrono::steady_clock::now();
  fields->arrived = origin.arrived.value_or(now);
  if (fields->timeout.count() == 0 || now < *fields->arrived + fields->timeout) {
    return absl::OkStatus();
  }
  return AboutField(
      absl::DeadlineExceededError("the request's timeout was over before its prompt was read"),
      "timeout");
}

}  // namespace switchyard::gateway
