#include "coordinator/gateway/openai_handler.h"

#include <cctype>
#include <utility>
#include <variant>

#include "coordinator/gateway/answer_sinks.h"
#include "coordinator/gateway/answer_start.h"
#include "coordinator/gateway/chat_spec.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/openai_responses.h"
#include "coordinator/gateway/openai_types.h"
#include "coordinator/gateway/reply_headers.h"
#include "coordinator/gateway/request_builder.h"
#include "coordinator/gateway/sse_writer.h"
#include "coordinator/gateway/text_spec.h"

namespace switchyard::gateway {
namespace {

// "%2F" -> "/"; what is no escape stays as it is.
std::string PercentDecode(std::string_view text) {
  const auto is_hex = [](char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; };
  std::string result;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2])) {
      result += static_cast<char>(std::stoi(std::string(text.substr(i + 1, 2)), nullptr, 16));
      i += 2;
    } else {
      result += text[i];
    }
  }
  return result;
}

// Until the answer is made, and until it is sent.
void Hold(const LogprobRoom& room, HttpReply& reply, AnswerHead* head) {
  head->lease = room.lease;
  if (room.num_bytes > 0) reply.AllowMore(room.num_bytes, room.lease.held);
}

}  // namespace

void OpenAiHandler::AddRoutes(HttpRouter& router) {
  const auto add = [&](HttpRoute route,
                       void (OpenAiHandler::*answer)(HttpRequest, std::shared_ptr<HttpReply>)) {
    route.handle = [this, answer](HttpRequest request, std::shared_ptr<HttpReply> reply) {
      (this->*answer)(std::move(request), std::move(reply));
    };
    router.Add(std::move(route));
  };
  add({.path = "/v1/chat/completions", .method = "POST"}, &OpenAiHandler::Chat);
  add({.path = "/v1/completions", .method = "POST"}, &OpenAiHandler::Complete);
  add({.path = "/v1/models", .method = "GET"}, &OpenAiHandler::ListModels);
  add({.path = "/v1/models/", .is_prefix = true, .method = "GET"}, &OpenAiHandler::GetModel);
}

void OpenAiHandler::Chat(HttpRequest request, std::shared_ptr<HttpReply> reply) {
  work_.Post([this, request = std::move(request), reply = std::move(reply)] {
    const absl::Status status = StartChat(request, reply);
    if (status.ok()) return;
    SendAnswer(*context_.metrics, RouteName(Endpoint::kChat), *reply, ErrorResponse(status));
  });
}

void OpenAiHandler::Complete(HttpRequest request, std::shared_ptr<HttpReply> reply) {
  work_.Post([this, request = std::move(request), reply = std::move(reply)] {
    const absl::Status status = StartCompletion(request, reply);
    if (status.ok()) return;
    SendAnswer(*context_.metrics, RouteName(Endpoint::kCompletion), *reply, ErrorResponse(status));
  });
}

absl::Status OpenAiHandler::StartChat(const HttpRequest& request,
                                      const std::shared_ptr<HttpReply>& reply) {
  SY_ASSIGN_OR_RETURN(const ChatCompletionRequest chat, ParseChatCompletionRequest(request.body));
  std::vector<CompletionSpec> specs(1);
  SY_ASSIGN_OR_RETURN(specs[0], BuildChatSpec(context_, chat, OriginOf(request)));
  AnswerHead head = MakeAnswerHead(Endpoint::kChat, *context_.model);
  SetShown(chat.generation, specs, {}, &head);
  SY_ASSIGN_OR_RETURN(const LogprobRoom room,
                      TakeLogprobRoom(context_, chat.generation, specs, kChatLogprobs));
  Hold(room, *reply, &head);
  const AnswerShape shape = ShapeOf(chat.generation, specs, kChatLogprobs);
  Launch(chat.delivery, shape, std::move(specs), std::move(head),
         NameIgnoredFields(reply, IgnoredFields(*context_.model, chat)));
  return absl::OkStatus();
}

absl::Status OpenAiHandler::StartCompletion(const HttpRequest& request,
                                            const std::shared_ptr<HttpReply>& reply) {
  SY_ASSIGN_OR_RETURN(const CompletionRequest completion, ParseCompletionRequest(request.body));
  SY_ASSIGN_OR_RETURN(std::vector<CompletionSpec> specs,
                      BuildTextSpecs(context_, completion, OriginOf(request)));
  AnswerHead head = MakeAnswerHead(Endpoint::kCompletion, *context_.model);
  SetShown(completion.generation, specs, EchoesOf(*context_.model, completion, specs), &head);
  SY_ASSIGN_OR_RETURN(const LogprobRoom room,
                      TakeLogprobRoom(context_, completion.generation, specs, kCompletionLogprobs));
  Hold(room, *reply, &head);
  const AnswerShape shape = ShapeOf(completion.generation, specs, kCompletionLogprobs);
  Launch(completion.delivery, shape, std::move(specs), std::move(head),
         NameIgnoredFields(reply, completion.unknown_fields));
  return absl::OkStatus();
}

void OpenAiHandler::Launch(const StreamFields& delivery, AnswerShape shape,
                           std::vector<CompletionSpec> specs, AnswerHead head,
                           const std::shared_ptr<HttpReply>& reply) {
  head.usage_chunk = delivery.include_usage;
  const std::shared_ptr<Answer> answer =
      MakeAnswer(std::move(head), shape, delivery.stream, reply, *context_.metrics);
  StartAnswer(context_, shape, std::move(specs), answer);
  reply->OnDisconnect([weak = std::weak_ptr(answer)] {
    if (const auto running = weak.lock()) running->Cancel();
  });
}

int32_t OpenAiHandler::context_length() const {
  return ContextLength(*context_.model, *context_.engine);
}

void OpenAiHandler::ListModels(HttpRequest, std::shared_ptr<HttpReply> reply) {
  SendAnswer(*context_.metrics, "/v1/models", *reply,
             {.body = DumpJson(ModelList(*context_.model, context_length()))});
}

void OpenAiHandler::GetModel(HttpRequest request, std::shared_ptr<HttpReply> reply) {
  const std::string name =
      PercentDecode(request.path.substr(std::string_view("/v1/models/").size()));
  const absl::Status status = CheckModelName(*context_.model, name);
  SendAnswer(*context_.metrics, "/v1/models/", *reply,
             status.ok()
                 ? HttpResponse{.body = DumpJson(ModelObject(*context_.model, context_length()))}
                 : ErrorResponse(status));
}

}  // namespace switchyard::gateway
