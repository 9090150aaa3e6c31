#include "coordinator/gateway/messages_handler.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "coordinator/gateway/chat_spec.h"
#include "coordinator/gateway/messages_answer.h"
#include "coordinator/gateway/messages_types.h"
#include "coordinator/gateway/random_id.h"
#include "coordinator/gateway/reply_headers.h"
#include "coordinator/gateway/request_builder.h"
#include "coordinator/gateway/sse_writer.h"

namespace switchyard::gateway {
namespace {

constexpr std::string_view kMessages = "/v1/messages";
constexpr std::string_view kCountTokens = "/v1/messages/count_tokens";

}  // namespace

void MessagesHandler::AddRoutes(HttpRouter& router) {
  Add(kMessages, &MessagesHandler::Create, router);
  Add(kCountTokens, &MessagesHandler::Count, router);
}

void MessagesHandler::Add(std::string_view path, Handler handler, HttpRouter& router) {
  const auto handle = [this, path, handler](HttpRequest request, std::shared_ptr<HttpReply> reply) {
    work_.Post([this, path, handler, request = std::move(request), reply = std::move(reply)] {
      const absl::Status status = (this->*handler)(request, reply);
      if (status.ok()) return;
      SendAnswer(*context_.metrics, path, *reply, MessagesErrorResponse(status));
    });
  };
  router.Add({.path = path, .method = "POST", .error_body = MessagesErrorBody, .handle = handle});
}

absl::Status MessagesHandler::Create(const HttpRequest& request,
                                     const std::shared_ptr<HttpReply>& reply) {
  const ServedModel& model = *context_.model;
  SY_ASSIGN_OR_RETURN(const ChatCompletionRequest chat, ParseMessagesRequest(request.body));
  SY_ASSIGN_OR_RETURN(CompletionSpec spec, BuildChatSpec(context_, chat, OriginOf(request)));
  const std::shared_ptr<HttpReply> answer = NameIgnoredFields(reply, IgnoredFields(model, chat));
  MessagesHead head = {.route = kMessages,
                       .id = fmt::format("msg_{:016x}{:016x}", RandomUint64(), RandomUint64()),
                       .model = model.name,
                       .num_prompt_tokens = static_cast<int32_t>(spec.prompt_tokens.size())};
  SY_ASSIGN_OR_RETURN(const std::shared_ptr<Completion> completion,
                      Completion::Start(context_, std::move(spec),
                                        MakeMessagesSink(std::move(head), chat.delivery.stream,
                                                         answer, *context_.metrics)));
  reply->OnDisconnect([weak = std::weak_ptr(completion)] {
    if (const auto running = weak.lock()) running->Cancel();
  });
  return absl::OkStatus();
}

absl::Status MessagesHandler::Count(const HttpRequest& request,
                                    const std::shared_ptr<HttpReply>& reply) {
  const ServedModel& model = *context_.model;
  SY_ASSIGN_OR_RETURN(const ChatCompletionRequest chat, ParseCountTokensRequest(request.body));
  SY_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens, EncodeChatPrompt(model, chat));
  SendAnswer(*context_.metrics, kCountTokens, *NameIgnoredFields(reply, IgnoredFields(model, chat)),
             {.body = DumpJson({{"input_tokens", tokens.size()}})});
  return absl::OkStatus();
}

}  // namespace switchyard::gateway
