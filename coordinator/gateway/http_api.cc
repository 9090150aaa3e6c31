#include "coordinator/gateway/http_api.h"

#include <utility>

namespace switchyard::gateway {

HttpApi::HttpApi(CompletionContext& context, Executor& work, HttpAccess access)
    : openai_(context, work),
      responses_(context, work),
      messages_(context, work),
      tokenize_(context, work),
      system_(context, !access.metrics_need_key),
      router_(*context.metrics, std::move(access)) {
  openai_.AddRoutes(router_);
  responses_.AddRoutes(router_);
  messages_.AddRoutes(router_);
  tokenize_.AddRoutes(router_);
  system_.AddRoutes(router_);
}

HttpServerOptions HttpApi::Complete(HttpServerOptions options) const {
  options.error_body = [this](int status, std::string_view path, std::string_view message) {
    return router_.ErrorBody(status, path, message);
  };
  options.error_headers = [this](std::string_view origin) { return router_.ErrorHeaders(origin); };
  options.refuse = [this](const HttpRequest& head) { return router_.Refuse(head); };
  options.count_error = [this](int status, std::string_view path) {
    router_.CountError(status, path);
  };
  return options;
}

void HttpApi::Handle(HttpRequest request, std::shared_ptr<HttpReply> reply) const {
  router_.Handle(std::move(request), std::move(reply));
}

}  // namespace switchyard::gateway
