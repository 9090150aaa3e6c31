// All of the HTTP API: which handler answers at which path.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_HTTP_API_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_HTTP_API_H_

#include <memory>

#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/executor.h"
#include "coordinator/gateway/http_message.h"
#include "coordinator/gateway/http_router.h"
#include "coordinator/gateway/http_server.h"
#include "coordinator/gateway/messages_handler.h"
#include "coordinator/gateway/openai_handler.h"
#include "coordinator/gateway/responses_handler.h"
#include "coordinator/gateway/system_handler.h"
#include "coordinator/gateway/tokenize_handler.h"

namespace switchyard::gateway {

// Thread-safe. Outlives the server that calls it. `context` and `work` as for OpenAiHandler.
class HttpApi {
 public:
  HttpApi(CompletionContext& context, Executor& work, HttpAccess access = {});

  // An HttpHandler: see there.
  void Handle(HttpRequest request, std::shared_ptr<HttpReply> reply) const;
  // `options` with what the transport asks of an API; that outlives the server.
  HttpServerOptions Complete(HttpServerOptions options) const;

 private:
  OpenAiHandler openai_;
  ResponsesHandler responses_;
  MessagesHandler messages_;
  TokenizeHandler tokenize_;
  SystemHandler system_;
  HttpRouter router_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_HTTP_API_H_
