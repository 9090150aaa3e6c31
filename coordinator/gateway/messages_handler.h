// /v1/messages and /v1/messages/count_tokens: Anthropic's dialect.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_MESSAGES_HANDLER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_MESSAGES_HANDLER_H_

#include <memory>

#include "base/status.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/executor.h"
#include "coordinator/gateway/http_router.h"

namespace switchyard::gateway {

// Thread-safe. Outlives the router that it adds its routes to. `work` as for OpenAiHandler.
class MessagesHandler {
 public:
  MessagesHandler(CompletionContext& context, Executor& work) : context_(context), work_(work) {}

  void AddRoutes(HttpRouter& router);

 private:
  using Handler = absl::Status (MessagesHandler::*)(const HttpRequest&,
                                                    const std::shared_ptr<HttpReply>&);

  void Add(std::string_view path, Handler handler, HttpRouter& router);
  absl::Status Create(const HttpRequest& request, const std::shared_ptr<HttpReply>& reply);
  absl::Status Count(const HttpRequest& request, const std::shared_ptr<HttpReply>& reply);

  CompletionContext& context_;
  Executor& work_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_MESSAGES_HANDLER_H_
