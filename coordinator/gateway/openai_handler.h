// The OpenAI-compatible endpoints: what each answers.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_HANDLER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_HANDLER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/gateway/answer_sinks.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/executor.h"
#include "coordinator/gateway/http_message.h"
#include "coordinator/gateway/http_router.h"
#include "coordinator/gateway/openai_responses.h"
#include "coordinator/gateway/openai_types.h"

namespace switchyard::gateway {

// Thread-safe. Outlives the router that it adds its routes to.
class OpenAiHandler {
 public:
  // `work` runs what takes time (parsing, template, tokenizer); it is not the context's executor,
  // so that a long prompt does not hold up other requests' answers. Both outlive the handler.
  OpenAiHandler(CompletionContext& context, Executor& work) : context_(context), work_(work) {}

  // /v1/chat/completions, /v1/completions, /v1/models, /v1/models/NAME.
  void AddRoutes(HttpRouter& router);

 private:
  void Chat(HttpRequest request, std::shared_ptr<HttpReply> reply);
  void Complete(HttpRequest request, std::shared_ptr<HttpReply> reply);
  void ListModels(HttpRequest request, std::shared_ptr<HttpReply> reply);
  void GetModel(HttpRequest request, std::shared_ptr<HttpReply> reply);

  absl::Status StartChat(const HttpRequest& request, const std::shared_ptr<HttpReply>& reply);
  absl::Status StartCompletion(const HttpRequest& request, const std::shared_ptr<HttpReply>& reply);
  // Starts as many completions as the request asks for, answers through `reply`, and cancels them
  // when the client goes away.
  void Launch(const StreamFields& delivery, AnswerShape shape, std::vector<CompletionSpec> specs,
              AnswerHead head, const std::shared_ptr<HttpReply>& reply);

  int32_t context_length() const;

  CompletionContext& context_;
  Executor& work_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_HANDLER_H_
