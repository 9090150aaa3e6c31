#include "coordinator/gateway/error_map.h"

#include <absl/strings/cord.h>

#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/field_error.h"
#include "coordinator/gateway/sse_writer.h"

namespace switchyard::gateway {
namespace {

constexpr char kCodeUrl[] = "switchyard.v1/code";

// Also what a header of gRPC can carry.
constexpr size_t kMaxMessageBytes = 1024;

struct Row {
  absl::StatusCode code;
  int http_status;
  std::string_view type;
  std::string_view error_code;  // OpenAI's `code`; empty: null
};

// gRPC's codes are Abseil's; only HTTP and OpenAI need a translation.
constexpr Row kTable[] = {
    {absl::StatusCode::kCancelled, 499, "invalid_request_error", "request_cancelled"},
    {absl::StatusCode::kInvalidArgument, 400, "invalid_request_error", ""},
    {absl::StatusCode::kOutOfRange, 400, "invalid_request_error", ""},
    {absl::StatusCode::kFailedPrecondition, 422, "invalid_request_error", "unprocessable"},
    {absl::StatusCode::kNotFound, 404, "invalid_request_error", "not_found"},
    {absl::StatusCode::kAlreadyExists, 409, "invalid_request_error", "conflict"},
    {absl::StatusCode::kAborted, 409, "invalid_request_error", "conflict"},
    {absl::StatusCode::kUnauthenticated, 401, "authentication_error", "invalid_api_key"},
    {absl::StatusCode::kPermissionDenied, 403, "permission_error", "permission_denied"},
    {absl::StatusCode::kResourceExhausted, 429, "rate_limit_error", "rate_limit_exceeded"},
    {absl::StatusCode::kUnimplemented, 501, "server_error", "not_implemented"},
    {absl::StatusCode::kUnavailable, 503, "server_error", "service_unavailable"},
    {absl::StatusCode::kDeadlineExceeded, 504, "server_error", "timeout"},
    {absl::StatusCode::kInternal, 500, "server_error", "internal_error"},
    {absl::StatusCode::kUnknown, 500, "server_error", "internal_error"},
    {absl::StatusCode::kDataLoss, 500, "server_error", "internal_error"},
};

const Row& RowOf(absl::StatusCode code) {
  for (const Row& row : kTable) {
    if (row.code == code) return row;
  }
  return kTable[std::size(kTable) - 1];
}

Json TextOrNull(std::string_view text) { return text.empty() ? Json(nullptr) : Json(text); }

// What the status says itself, else what the table says of its kind.
Json CodeOf(const absl::Status& status) {
  const auto code = status.GetPayload(kCodeUrl);
  return TextOrNull(code ? std::string(*code) : std::string(RowOf(status.code()).error_code));
}

Json MakeErrorObject(std::string_view message, std::string_view type, Json param, Json code) {
  return {{"error",
           {{"message", message},
            {"type", type},
            {"param", std::move(param)},
            {"code", std::move(code)}}}};
}

}  // namespace

absl::Status WithParam(absl::Status status, std::string_view param, std::string_view code) {
  SY_CHECK(!status.ok());
  if (!param.empty()) status = AboutField(std::move(status), param);
  if (!code.empty()) status.SetPayload(kCodeUrl, absl::Cord(std::string(code)));
  return status;
}

absl::Status ParamError(std::string_view param, std::string_view message, std::string_view code) {
  return WithParam(absl::InvalidArgumentError(std::string(message)), param, code);
}

std::string ClientMessage(const absl::Status& status) {
  const std::string_view message = Message(status);
  if (message.size() <= kMaxMessageBytes) return std::string(message);
  size_t end = kMaxMessageBytes;
  while (end > 0 && (message[end] & 0xC0) == 0x80) --end;  // not inside a character
  return fmt::format("{} ... ({} bytes more)", message.substr(0, end), message.size() - end);
}

int HttpStatusOf(const absl::Status& status) { return RowOf(status.code()).http_status; }

Json ErrorObject(const absl::Status& status) {
  SY_CHECK(!status.ok());
  const Row& row = RowOf(status.code());
  return MakeErrorObject(ClientMessage(status), row.type, TextOrNull(FieldOf(status)),
                         CodeOf(status));
}

HttpResponse ErrorResponse(const absl::Status& status) {
  HttpResponse response{.status = HttpStatusOf(status), .body = DumpJson(ErrorObject(status))};
  if (response.status == 429 || response.status == 503) response.headers = {{"Retry-After", "1"}};
  return response;
}

int GrpcCodeOf(const absl::Status& status) { return static_cast<int>(status.code()); }

std::string HttpErrorBody(int http_status, std::string_view message) {
  for (const Row& row : kTable) {
    if (row.http_status != http_status) continue;
    return DumpJson(MakeErrorObject(message, row.type, nullptr, TextOrNull(row.error_code)));
  }
  const std::string_view type = http_status >= 500 ? "server_error" : "invalid_request_error";
  return DumpJson(MakeErrorObject(message, type, nullptr, nullptr));
}

}  // namespace switchyard::gateway
