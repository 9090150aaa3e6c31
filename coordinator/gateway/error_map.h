// The one table from absl::Status to what a client sees: HTTP status with OpenAI's error object,
// and gRPC status.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_ERROR_MAP_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_ERROR_MAP_H_

#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"
#include "coordinator/gateway/http_message.h"

namespace switchyard::gateway {

// OpenAI's machine-readable codes that the table's defaults do not give.
inline constexpr std::string_view kContextLengthExceeded = "context_length_exceeded";
inline constexpr std::string_view kModelNotFound = "model_not_found";
inline constexpr std::string_view kUnsupportedParameter = "unsupported_parameter";

// INVALID_ARGUMENT about one request field; `param` (and `code`, if not empty) reach the error
// object.
absl::Status ParamError(std::string_view param, std::string_view message,
                        std::string_view code = "");
// The same status, with its param and code replaced.
absl::Status WithParam(absl::Status status, std::string_view param, std::string_view code = "");

// The status's message as clients get it: cut where it quotes too much of a request.
std::string ClientMessage(const absl::Status& status);

// REQUIRES of all below: !status.ok().
int HttpStatusOf(const absl::Status& status);
// {"error": {"message", "type", "param", "code"}}.
Json ErrorObject(const absl::Status& status);
// The whole response; RESOURCE_EXHAUSTED and UNAVAILABLE say when to come again (Retry-After).
HttpResponse ErrorResponse(const absl::Status& status);
// A grpc::StatusCode's number.
int GrpcCodeOf(const absl::Status& status);

// Body of an error that has an HTTP status only: the transport's own, and what the router refuses.
std::string HttpErrorBody(int http_status, std::string_view message);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_ERROR_MAP_H_
