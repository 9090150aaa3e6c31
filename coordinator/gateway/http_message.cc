#include "coordinator/gateway/http_message.h"

#include <fmt/format.h>

#include <ctime>

namespace switchyard::gateway {
namespace {

std::string_view ReasonPhrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 204:
      return "No Content";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 413:
      return "Payload Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 499:
      return "Client Closed Request";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Unknown";
  }
}

std::string HttpDate() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[40];
  const size_t length = std::strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &utc);
  return std::string(text, length);
}

}  // namespace

std::string FormatHttpHead(const HttpResponse& response, const HttpHeadOptions& options) {
  std::string head = fmt::format("HTTP/1.1 {} {}\r\nServer: switchyard\r\nDate: {}\r\n",
                                 response.status, ReasonPhrase(response.status), HttpDate());
  if (response.status != 204) {
    head += fmt::format("Content-Type: {}\r\n", response.content_type);
    if (options.content_length >= 0) {
      head += fmt::format("Content-Length: {}\r\n", options.content_length);
    } else if (!options.http_1_0) {
      head += "Transfer-Encoding: chunked\r\n";
    }
  }
  for (const auto& [name, value] : response.headers) head += fmt::format("{}: {}\r\n", name, value);
  if (!options.request_id.empty()) {
    head += fmt::format("X-Request-Id: {0}\r\nrequest-id: {0}\r\n", options.request_id);
  }
  head += options.keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return head;
}

std::string FormatHttpChunk(std::string_view bytes) {
  if (bytes.empty()) return {};
  return fmt::format("{}{}{}", FormatHttpChunkHead(bytes.size()), bytes, kHttpChunkEnd);
}

std::string FormatHttpChunkHead(size_t num_bytes) { return fmt::format("{:x}\r\n", num_bytes); }

}  // namespace switchyard::gateway
