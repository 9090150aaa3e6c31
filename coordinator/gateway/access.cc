#include "coordinator/gateway/access.h"

#include <algorithm>
#include <cctype>
#include <memory>

namespace switchyard::gateway {
namespace {

std::string_view KeyOf(const Credentials& credentials) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view value = credentials.authorization;
  const bool has_bearer = value.size() > kScheme.size() &&
                          std::equal(kScheme.begin(), kScheme.end(), value.begin(),
                                     [](char a, unsigned char b) { return a == std::tolower(b); });
  if (!has_bearer) return credentials.api_key;
  return value.substr(std::min(value.find_first_not_of(' ', kScheme.size()), value.size()));
}

}  // namespace

absl::StatusOr<std::string> Admit(const KeyFile& keys, const Credentials& credentials) {
  const std::string_view key = KeyOf(credentials);
  if (key.empty()) {
    return absl::UnauthenticatedError(
        "no API key: send 'Authorization: Bearer KEY' or 'x-api-key: KEY'");
  }
  const std::shared_ptr<const ApiKeys> known = keys.keys();
  const std::string* tenant = known->TenantOf(key);
  if (tenant == nullptr) return absl::UnauthenticatedError("this API key is not known here");
  if (!credentials.tenant.empty() && credentials.tenant != *tenant) {
    return absl::PermissionDeniedError("X-Tenant names another tenant than the API key's");
  }
  return *tenant;
}

}  // namespace switchyard::gateway
