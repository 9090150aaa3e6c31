// Which web pages' scripts may use the API (cross-origin resource sharing, the Fetch standard): a
// browser asks, and keeps answers from scripts of pages that these headers do not name.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_CORS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_CORS_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "coordinator/gateway/http_message.h"

namespace switchyard::gateway {

// Immutable, thread-safe.
class CorsPolicy {
 public:
  // No page may.
  CorsPolicy() = default;
  // `origins`: "https://host", "http://host:port", or "*" for every page. INVALID_ARGUMENT for
  // anything else.
  static absl::StatusOr<CorsPolicy> Create(std::vector<std::string> origins);

  // For the head of every answer to a request whose header Origin is `origin`, or empty.
  HttpHeaders OnAnswer(std::string_view origin) const;
  // For the answer to a browser that asks what a script may send (OPTIONS), beside OnAnswer's.
  // `methods` as the header Allow has them.
  HttpHeaders OnPreflight(const HttpRequest& request, std::string_view methods) const;

 private:
  bool Allows(std::string_view origin) const;

  bool any_ = false;
  std::vector<std::string> origins_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_CORS_H_
