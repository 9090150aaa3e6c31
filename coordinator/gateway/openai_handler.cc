#include "coordinator/gateway/openai_handler.h"

#include <cctype>
#include <utility>
#include <variant>

#include "coordinator/gateway/answer_sinks.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/openai_responses.h"
#include "coordinator/gateway/openai_types.h"
#include "coordinator/gateway/reply_headers.h"
#include "coordinator/gateway/request_builder.h"
#include "coordinator/gateway/sse_writer.h"
#include "coordinator/gateway/tool_binding.h"

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
  const ServedModel& model = *context_.model;
  SY_ASSIGN_OR_RETURN(ChatCompletionRequest chat, ParseChatCompletionRequest(request.body));
  SY_RETURN_IF_ERROR(CheckModelName(model, chat.generation.model));
  SY_RETURN_IF_ERROR(BindToolCalls(model, chat.options, &chat.generation));
  SY_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, EncodeChat(model, chat.chat));
  SY_ASSIGN_OR_RETURN(CompletionSpec spec,
                      BuildSpec(model, context_length(), chat.generation, std::move(tokens)));
  SY_RETURN_IF_ERROR(ReadTenant(request.tenant, &spec.scheduling));
  SY_RETURN_IF_ERROR(ApplyChatOptions(model, chat.options, spec.prompt_tokens, &spec.form));
  Launch(chat.generation, chat.delivery, std::move(spec), MakeAnswerHead(Endpoint::kChat, model),
         NameIgnoredFields(reply, chat.unknown_fields));
  return absl::OkStatus();
}

absl::Status OpenAiHandler::StartCompletion(const HttpRequest& request,
                                            const std::shared_ptr<HttpReply>& reply) {
  const ServedModel& model = *context_.model;
  SY_ASSIGN_OR_RETURN(CompletionRequest completion, ParseCompletionRequest(request.body));
  SY_RETURN_IF_ERROR(CheckModelName(model, completion.generation.model));
  std::vector<int32_t> tokens;
  if (const auto* prompt = std::get_if<std::string>(&completion.prompt)) {
    SY_ASSIGN_OR_RETURN(tokens, EncodeText(model, *prompt));
  } else {
    tokens = std::get<std::vector<int32_t>>(std::move(completion.prompt));
    SY_RETURN_IF_ERROR(CheckTokens(model, tokens));
  }
  SY_ASSIGN_OR_RETURN(CompletionSpec spec,
                      BuildSpec(model, context_length(), completion.generation, std::move(tokens)));
  SY_RETURN_IF_ERROR(ReadTenant(request.tenant, &spec.scheduling));
  AnswerHead head = MakeAnswerHead(Endpoint::kCompletion, model);
  if (completion.generation.echo) {
    const auto* prompt = std::get_if<std::string>(&completion.prompt);
    head.echo = prompt != nullptr ? *prompt
                                  : model.tokenizer->Decode(spec.prompt_tokens,
                                                            /*skip_special=*/true);
  }
  Launch(completion.generation, completion.delivery, std::move(spec), std::move(head),
         NameIgnoredFields(reply, completion.unknown_fields));
  return absl::OkStatus();
}

void OpenAiHandler::Launch(const GenerationFields& fields, const StreamFields& delivery,
                           CompletionSpec spec, AnswerHead head,
                           const std::shared_ptr<HttpReply>& reply) {
  head.usage_chunk = delivery.include_usage;
  head.with_logprobs = fields.logprobs.answer.has_value();
  head.with_prompt_logprobs = fields.logprobs.prompt.has_value();
  if (spec.sampling.has_prompt_logprobs()) head.prompt_tokens = spec.prompt_tokens;
  const std::shared_ptr<Answer> answer = MakeAnswer(std::move(head), fields.n, fields.best_of,
                                                    delivery.stream, reply, *context_.metrics);
  for (int i = 0; i < fields.best_of; ++i) {
    CompletionSpec choice = spec;
    choice.sampling.set_choice(i);
    const auto completion = Completion::Start(context_, std::move(choice), answer->SinkOf(i));
    if (!completion.ok()) return answer->Fail(completion.status());
    answer->Add(*completion);
  }
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
