#include "coordinator/gateway/cors.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "coordinator/gateway/reply_headers.h"

namespace switchyard::gateway {
namespace {

constexpr size_t kMaxRequestedBytes = 2048;  // of header names that are granted
constexpr char kPreflightSeconds[] = "600";  // how long a browser may remember the answer

// scheme://host[:port] as browsers write it: lower case, no path.
bool IsOrigin(std::string_view text) {
  constexpr std::string_view kHostCharacters = "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]";
  for (const std::string_view scheme : {"https://", "http://"}) {
    if (text.substr(0, scheme.size()) != scheme) continue;
    const std::string_view host = text.substr(scheme.size());
    return !host.empty() && host.find_first_not_of(kHostCharacters) == host.npos;
  }
  return false;
}

// A list of header names, which may be sent back as it is.
bool IsNameList(std::string_view text) {
  return text.size() <= kMaxRequestedBytes && std::all_of(text.begin(), text.end(), [](char c) {
           const auto byte = static_cast<unsigned char>(c);
           return std::isalnum(byte) != 0 || c == '-' || c == '_' || c == ',' || c == ' ';
         });
}

}  // namespace

absl::StatusOr<CorsPolicy> CorsPolicy::Create(std::vector<std::string> origins) {
  CorsPolicy policy;
  for (std::string& origin : origins) {
    if (origin == "*") {
      policy.any_ = true;
    } else if (IsOrigin(origin)) {
      policy.origins_.push_back(std::move(origin));
    } else {
      return absl::InvalidArgumentError(
          fmt::format("\"{}\" is no origin: write https://host, http://host:port or *", origin));
    }
  }
  return policy;
}

bool CorsPolicy::Allows(std::string_view origin) const {
  if (origin.empty()) return false;
  return any_ || std::find(origins_.begin(), origins_.end(), origin) != origins_.end();
}

HttpHeaders CorsPolicy::OnAnswer(std::string_view origin) const {
  HttpHeaders headers;
  if (!any_ && !origins_.empty()) headers.emplace_back("Vary", "Origin");
  if (!Allows(origin)) return headers;
  headers.emplace_back("Access-Control-Allow-Origin", any_ ? "*" : origin);
  headers.emplace_back("Access-Control-Expose-Headers",
                       fmt::format("Retry-After, X-Request-Id, request-id, {}", kWarningHeader));
  return headers;
}

HttpHeaders CorsPolicy::OnPreflight(const HttpRequest& request, std::string_view methods) const {
  if (!Allows(request.origin) || request.requested_method.empty()) return {};
  HttpHeaders headers = {{"Access-Control-Allow-Methods", std::string(methods)},
                         {"Access-Control-Max-Age", kPreflightSeconds}};
  // NOTE: "*" would not stand for Authorization.
  if (!request.requested_headers.empty() && IsNameList(request.requested_headers)) {
    headers.emplace_back("Access-Control-Allow-Headers", request.requested_headers);
  }
  return headers;
}

}  // namespace switchyard::gateway
