// /tokenize and /detokenize in vLLM's shapes: what a prompt costs, before it is sent.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_TOKENIZE_HANDLER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_TOKENIZE_HANDLER_H_

#include "base/json.h"
#include "base/status.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/executor.h"
#include "coordinator/gateway/http_router.h"

namespace switchyard::gateway {

// Thread-safe. Outlives the router that it adds its routes to. `work` as for OpenAiHandler.
class TokenizeHandler {
 public:
  TokenizeHandler(CompletionContext& context, Executor& work) : context_(context), work_(work) {}

  void AddRoutes(HttpRouter& router);

  // What the routes answer; take as long as their texts are long, and are gRPC's answers, too.
  // {prompt | messages, add_special_tokens, return_token_strs} -> {tokens, count, max_model_len}.
  // Messages are rendered as a chat's, by all of its fields that make its prompt.
  absl::StatusOr<Json> Tokenize(const RequestFields& request) const;
  // {tokens} -> {prompt}.
  absl::StatusOr<Json> Detokenize(const RequestFields& request) const;

 private:
  CompletionContext& context_;
  Executor& work_;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_TOKENIZE_HANDLER_H_
