#include "coordinator/gateway/http_router.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "coordinator/gateway/access.h"
#include "coordinator/gateway/reply_headers.h"

namespace switchyard::gateway {
namespace {

constexpr std::string_view kNoRoute = "other";  // the label of requests that no route takes

bool Matches(const HttpRoute& route, std::string_view path) {
  if (!route.is_prefix) return path == route.path;
  return path.size() > route.path.size() && path.substr(0, route.path.size()) == route.path;
}

bool Takes(const HttpRoute& route, std::string_view method) {
  return method == route.method || (method == "HEAD" && route.method == "GET");
}

// A header's word: in small letters, without the blanks around it.
std::string Word(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return "";
  std::string word(text.substr(begin, text.find_last_not_of(" \t") + 1 - begin));
  std::transform(word.begin(), word.end(), word.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return word;
}

// A body is JSON unless its sender says otherwise.
bool IsJson(std::string_view content_type) {
  const std::string type = Word(content_type.substr(0, content_type.find(';')));
  return type.empty() || type == "application/json";
}

// As it was written: no coding of the list changed its bytes.
bool IsPlain(std::string_view content_encoding) {
  while (!content_encoding.empty()) {
    const std::string_view coding = content_encoding.substr(0, content_encoding.find(','));
    content_encoding.remove_prefix(std::min(content_encoding.size(), coding.size() + 1));
    if (const std::string word = Word(coding); !word.empty() && word != "identity") return false;
  }
  return true;
}

}  // namespace

void SendAnswer(GatewayMetrics& metrics, std::string_view route, HttpReply& reply,
                HttpResponse response) {
  metrics.CountResponse(route, response.status);
  reply.Send(std::move(response));
}

HttpResponse HttpRouter::Refusal(const HttpRoute& route, HttpResponse head,
                                 std::string_view message) const {
  head.body = route.error_body(head.status, message);
  metrics_.CountResponse(route.path, head.status);
  return head;
}

const HttpRoute* HttpRouter::RouteAt(std::string_view path) const {
  const auto route =
      std::find_if(routes_.begin(), routes_.end(), [&](const auto& r) { return Matches(r, path); });
  return route == routes_.end() ? nullptr : &*route;
}

std::string HttpRouter::ErrorBody(int http_status, std::string_view path,
                                  std::string_view message) const {
  const HttpRoute* route = RouteAt(path);
  return route == nullptr ? HttpErrorBody(http_status, message)
                          : route->error_body(http_status, message);
}

void HttpRouter::CountError(int http_status, std::string_view path) const {
  const HttpRoute* route = RouteAt(path);
  metrics_.CountResponse(route == nullptr ? kNoRoute : route->path, http_status);
}

void HttpRouter::Handle(HttpRequest request, std::shared_ptr<HttpReply> reply) const {
  HttpHeaders cors = access_.cors.OnAnswer(request.origin);
  if (!cors.empty()) reply = WithHeaders(std::move(reply), std::move(cors));
  const HttpRoute* route = nullptr;
  std::optional<HttpResponse> answer = AnswerHead(request, &route);
  if (answer) return reply->Send(*std::move(answer));
  route->handle(std::move(request), std::move(reply));
}

std::optional<HttpResponse> HttpRouter::Refuse(HttpRequest head) const {
  const HttpRoute* route = nullptr;
  std::optional<HttpResponse> answer = AnswerHead(head, &route);
  if (!answer) return std::nullopt;
  for (auto& header : ErrorHeaders(head.origin)) answer->headers.push_back(std::move(header));
  return answer;
}

std::optional<HttpResponse> HttpRouter::AnswerHead(HttpRequest& request,
                                                   const HttpRoute** route) const {
  const HttpRoute* at_path = RouteAt(request.path);
  if (at_path == nullptr) {
    return Refusal({.path = kNoRoute}, {.status = 404},
                   fmt::format("there is nothing at {}", request.path));
  }
  const std::string allow = Allow(request.path);
  if (request.method == "OPTIONS") {
    HttpHeaders headers = access_.cors.OnPreflight(request, allow);
    headers.emplace_back("Allow", allow);
    metrics_.CountResponse(at_path->path, 204);
    return HttpResponse{.status = 204, .headers = std::move(headers)};
  }
  const auto found = std::find_if(routes_.begin(), routes_.end(), [&](const auto& r) {
    return Matches(r, request.path) && Takes(r, request.method);
  });
  if (found == routes_.end()) {
    return Refusal(*at_path, {.status = 405, .headers = {{"Allow", allow}}},
                   fmt::format("{} takes {}", request.path, allow));
  }
  *route = &*found;
  return CheckHead(*found, request);
}

std::optional<HttpResponse> HttpRouter::CheckHead(const HttpRoute& route,
                                                  HttpRequest& request) const {
  if (access_.keys != nullptr && !route.is_open) {
    absl::StatusOr<std::string> tenant =
        Admit(*access_.keys, {.authorization = request.authorization,
                              .api_key = request.api_key,
                              .tenant = request.tenant});
    if (!tenant.ok()) {
      HttpResponse head = {.status = HttpStatusOf(tenant.status())};
      if (head.status == 401) head.headers = {{"WWW-Authenticate", "Bearer"}};
      return Refusal(route, std::move(head), Message(tenant.status()));
    }
    request.tenant = *std::move(tenant);
  }
  if (route.method == "POST" && !IsJson(request.content_type)) {
    return Refusal(route, {.status = 415},
                   "the body must be JSON: say 'Content-Type: application/json'");
  }
  if (route.method == "POST" && !IsPlain(request.content_encoding)) {
    return Refusal(route, {.status = 415, .headers = {{"Accept-Encoding", "identity"}}},
                   "the body must not be compressed: send it without 'Content-Encoding'");
  }
  return std::nullopt;
}

std::string HttpRouter::Allow(std::string_view path) const {
  std::string allow;
  for (const HttpRoute& route : routes_) {
    if (!Matches(route, path) || allow.find(route.method) != allow.npos) continue;
    allow += route.method == "GET" ? "GET, HEAD, " : fmt::format("{}, ", route.method);
  }
  return allow.empty() ? allow : allow + "OPTIONS";
}

}  // namespace switchyard::gateway
