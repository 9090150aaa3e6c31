#include "coordinator/gateway/tokenize_handler.h"

#include <string>
#include <utility>
#include <vector>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/json_fields.h"
#include "coordinator/gateway/openai_types.h"
#include "coordinator/gateway/reply_headers.h"
#include "coordinator/gateway/request_builder.h"
#include "coordinator/gateway/sse_writer.h"
#include "coordinator/gateway/unsupported_fields.h"

namespace switchyard::gateway {
namespace {

absl::Status CheckModel(const ServedModel& model, const RequestFields& request) {
  std::string name;
  SY_RETURN_IF_ERROR(ReadString(request, "model", &name));
  return CheckModelName(model, name);
}

// A template writes the special tokens itself: they are added to it on demand alone.
absl::StatusOr<std::vector<int32_t>> ChatTokens(const ServedModel& model,
                                                const RequestFields& request) {
  bool add_special_tokens = false;
  SY_RETURN_IF_ERROR(ReadBool(request, "add_special_tokens", &add_special_tokens));
  SY_ASSIGN_OR_RETURN(const ChatFields chat, ParseChatFields(request));
  SY_ASSIGN_OR_RETURN(std::vector<int32_t> tokens, EncodeChat(model, chat));
  if (!add_special_tokens) return tokens;
  SY_ASSIGN_OR_RETURN(const std::vector<int32_t> added,
                      model.tokenizer->Encode("", {.add_special_tokens = true}));
  tokens.insert(tokens.begin(), added.begin(), added.end());
  return tokens;
}

absl::StatusOr<std::vector<int32_t>> TextTokens(const ServedModel& model,
                                                const RequestFields& request) {
  std::string prompt;
  bool add_special_tokens = true;
  SY_RETURN_IF_ERROR(ReadString(request, "prompt", &prompt));
  SY_RETURN_IF_ERROR(ReadBool(request, "add_special_tokens", &add_special_tokens));
  absl::StatusOr<std::vector<int32_t>> tokens = model.tokenizer->Encode(
      prompt, {.parse_special = true, .add_special_tokens = add_special_tokens});
  if (!tokens.ok()) return WithParam(tokens.status(), "prompt");
  return tokens;
}

absl::StatusOr<std::vector<int32_t>> TokensOf(const ServedModel& model,
                                              const RequestFields& request) {
  SY_RETURN_IF_ERROR(RefuseUnsupportedFields(request));
  const bool has_prompt = FindField(request, "prompt") != nullptr;
  if (has_prompt == (FindField(request, "messages") != nullptr)) {
    return ParamError("prompt", "give 'prompt' or 'messages', one of both");
  }
  return has_prompt ? TextTokens(model, request) : ChatTokens(model, request);
}

}  // namespace

void TokenizeHandler::AddRoutes(HttpRouter& router) {
  using Answer = absl::StatusOr<Json> (TokenizeHandler::*)(const RequestFields&) const;
  const auto add = [&](std::string_view path, Answer answer) {
    using Names = std::vector<std::string>;
    const auto respond = [this, answer](std::string_view body,
                                        Names* unknown) -> absl::StatusOr<Json> {
      SY_ASSIGN_OR_RETURN(const Json json, ParseObject(body));
      const RequestFields request(json);
      SY_ASSIGN_OR_RETURN(Json result, (this->*answer)(request));
      *unknown = request.Unread();
      return result;
    };
    router.Add(
        {.path = path,
         .method = "POST",
         .handle = [this, path, respond](HttpRequest request, std::shared_ptr<HttpReply> reply) {
           work_.Post(
               [this, path, respond, request = std::move(request), reply = std::move(reply)] {
                 Names unknown;
                 const absl::StatusOr<Json> json = respond(request.body, &unknown);
                 SendAnswer(*context_.metrics, path, *NameIgnoredFields(reply, unknown),
                            json.ok() ? HttpResponse{.body = DumpJson(*json)}
                                      : ErrorResponse(json.status()));
               });
         }});
  };
  add("/tokenize", &TokenizeHandler::Tokenize);
  add("/detokenize", &TokenizeHandler::Detokenize);
}

absl::StatusOr<Json> TokenizeHandler::Tokenize(const RequestFields& request) const {
  const ServedModel& model = *context_.model;
  SY_RETURN_IF_ERROR(CheckModel(model, request));
  SY_ASSIGN_OR_RETURN(const std::vector<int32_t> tokens, TokensOf(model, request));
  bool with_texts = false;
  SY_RETURN_IF_ERROR(ReadBool(request, "return_token_strs", &with_texts));
  Json answer = {{"count", tokens.size()},
                 {"max_model_len", ContextLength(model, *context_.engine)},
                 {"tokens", tokens},
                 {"token_strs", nullptr}};
  if (!with_texts) return answer;
  Json& texts = answer["token_strs"] = Json::array();
  for (const int32_t token : tokens) {
    texts.push_back(model.tokenizer->Decode({&token, 1}, /*skip_special=*/false));
  }
  return answer;
}

absl::StatusOr<Json> TokenizeHandler::Detokenize(const RequestFields& request) const {
  SY_RETURN_IF_ERROR(CheckModel(*context_.model, request));
  const Json* ids = FindField(request, "tokens");
  if (ids == nullptr || !ids->is_array()) {
    return ParamError("tokens", "'tokens' must be a list of token ids");
  }
  std::vector<int32_t> tokens;
  SY_RETURN_IF_ERROR(ReadInt32Array(*ids, "tokens", &tokens));
  const absl::Status status = CheckTokens(*context_.model, tokens);
  if (!status.ok()) return WithParam(status, "tokens");
  return Json{{"prompt", context_.model->tokenizer->Decode(tokens, /*skip_special=*/false)}};
}

}  // namespace switchyard::gateway
