// From a request's path and method to whoever answers it, and what is refused before that: unknown
// paths, wrong methods, callers without a key, bodies that are no JSON or are compressed.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_HTTP_ROUTER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_HTTP_ROUTER_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/gateway/cors.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/gateway_metrics.h"
#include "coordinator/gateway/http_message.h"
#include "coordinator/gateway/key_file.h"

namespace switchyard::gateway {

struct HttpRoute {
  std::string_view path;    // also the route's name in metrics
  bool is_prefix = false;   // paths that go on behind it
  std::string_view method;  // GET stands for HEAD too
  // Takes anyone's requests, also where keys are in force.
  bool is_open = false;
  // What refusals look like here.
  std::string (*error_body)(int http_status, std::string_view message) = HttpErrorBody;
  std::function<void(HttpRequest, std::shared_ptr<HttpReply>)> handle;
};

// Who may ask.
struct HttpAccess {
  const KeyFile* keys = nullptr;  // outlives the API; null: anyone
  bool metrics_need_key = false;
  CorsPolicy cors;
};

// Answers and counts it. `route` is one of a fixed set: it becomes a label.
void SendAnswer(GatewayMetrics& metrics, std::string_view route, HttpReply& reply,
                HttpResponse response);

// Thread-safe once all routes are in. `metrics` outlives it.
class HttpRouter {
 public:
  HttpRouter(GatewayMetrics& metrics, HttpAccess access)
      : metrics_(metrics), access_(std::move(access)) {}

  // Of routes that match, the first takes the request.
  void Add(HttpRoute route) { routes_.push_back(std::move(route)); }

  void Handle(HttpRequest request, std::shared_ptr<HttpReply> reply) const;
  // For HttpServerOptions::refuse.
  std::optional<HttpResponse> Refuse(HttpRequest head) const;
  // What an error looks like at `path`: OpenAI's shape where no route says otherwise.
  std::string ErrorBody(int http_status, std::string_view path, std::string_view message) const;
  // The headers of one to a request of a page of `origin`.
  HttpHeaders ErrorHeaders(std::string_view origin) const { return access_.cors.OnAnswer(origin); }
  // Counts an answer to a request for `path` that the transport gave itself.
  void CountError(int http_status, std::string_view path) const;

 private:
  // Of routes at `path`, the first; null: there is none.
  const HttpRoute* RouteAt(std::string_view path) const;
  // What a request is answered by its head alone, counted: a preflight, or what is refused. None:
  // `route` takes it, and where keys are in force the request has its key's tenant.
  std::optional<HttpResponse> AnswerHead(HttpRequest& request, const HttpRoute** route) const;
  // The same of a route that takes the request's path and method.
  std::optional<HttpResponse> CheckHead(const HttpRoute& route, HttpRequest& request) const;
  HttpResponse Refusal(const HttpRoute& route, HttpResponse head, std::string_view message) const;
  // The methods that `path` takes, as the header Allow lists them; empty: there is no such path.
  std::string Allow(std::string_view path) const;

  GatewayMetrics& metrics_;
  const HttpAccess access_;
  std::vector<HttpRoute> routes_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_HTTP_ROUTER_H_
