// /v1/responses: OpenAI's Responses API.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_HANDLER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_HANDLER_H_

#include <memory>
#include <string>
#include <string_view>

#include "base/status.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/executor.h"
#include "coordinator/gateway/http_router.h"
#include "coordinator/gateway/responses_store.h"
#include "coordinator/gateway/responses_types.h"

namespace switchyard::gateway {

// Thread-safe. Outlives the router that it adds its routes to, and every completion. `work` as for
// OpenAiHandler.
class ResponsesHandler {
 public:
  ResponsesHandler(CompletionContext& context, Executor& work) : context_(context), work_(work) {}

  // POST /v1/responses, and behind it: GET ID, GET ID/input_items, DELETE ID, POST ID/cancel.
  void AddRoutes(HttpRouter& router);

 private:
  using Handler = absl::Status (ResponsesHandler::*)(const HttpRequest&,
                                                     const std::shared_ptr<HttpReply>&);

  void Add(HttpRoute route, Handler handler, HttpRouter& router);
  absl::Status Create(const HttpRequest& request, const std::shared_ptr<HttpReply>& reply);
  absl::Status Get(const HttpRequest& request, const std::shared_ptr<HttpReply>& reply);
  absl::Status Delete(const HttpRequest& request, const std::shared_ptr<HttpReply>& reply);
  absl::Status Cancel(const HttpRequest& request, const std::shared_ptr<HttpReply>& reply);

  // The object as it is now.
  absl::StatusOr<std::string> Current(const std::shared_ptr<const StoredResponse>& record);
  // The items that the request goes on from; an empty list if from none.
  absl::StatusOr<Json> Context(const std::string& tenant, const std::string& previous);
  // As BuildChatSpec, leaving out turns at the beginning where that is allowed and needed.
  absl::StatusOr<CompletionSpec> Fit(const ResponsesRequest& wanted, const RequestOrigin& origin,
                                     ChatCompletionRequest* chat);
  absl::Status Start(const ResponsesRequest& wanted, const Json& context, CompletionSpec spec,
                     const std::shared_ptr<HttpReply>& reply);
  void Answer(HttpReply& reply, std::string body);

  CompletionContext& context_;
  Executor& work_;
  ResponsesStore store_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_HANDLER_H_
