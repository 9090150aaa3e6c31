// Who may ask, and on whose account: the same for HTTP and gRPC.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_ACCESS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_ACCESS_H_

#include <string>
#include <string_view>

#include "base/status.h"
#include "coordinator/gateway/key_file.h"

namespace switchyard::gateway {

// What came with a request; empty: nothing.
struct Credentials {
  std::string_view authorization;  // "Bearer KEY"
  std::string_view api_key;        // x-api-key, where `authorization` has no bearer
  std::string_view tenant;         // X-Tenant
};

// The tenant that the request counts for: that of its key. UNAUTHENTICATED without a key or with an
// unknown one, PERMISSION_DENIED if X-Tenant names another tenant than the key's; no message quotes
// a key.
absl::StatusOr<std::string> Admit(const KeyFile& keys, const Credentials& credentials);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_ACCESS_H_
