#include "coordinator/gateway/generate_request.h"

#include <string>
#include <utility>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/field_names.h"

namespace switchyard::gateway {
namespace {

absl::StatusOr<Json> ParseField(const char* name, const std::string& text) {
  absl::StatusOr<Json> json = ParseJson(text);
  if (!json.ok()) return ParamError(name, fmt::format("'{}': {}", name, Message(json.status())));
  return json;
}

template <typename Repeated>
Json ListOf(const Repeated& values) {
  Json list = Json::array();
  for (const auto& value : values) list.push_back(value);
  return list;
}

void AddSampling(const v1::GenerateRequest& from, Json& to) {
  if (from.has_temperature()) to["temperature"] = from.temperature();
  if (from.has_top_p()) to["top_p"] = from.top_p();
  if (from.has_top_k()) to["top_k"] = from.top_k();
  if (from.has_min_p()) to["min_p"] = from.min_p();
  if (from.has_typical_p()) to["typical_p"] = from.typical_p();
  if (from.has_presence_penalty()) to["presence_penalty"] = from.presence_penalty();
  if (from.has_frequency_penalty()) to["frequency_penalty"] = from.frequency_penalty();
  if (from.has_repetition_penalty()) to["repetition_penalty"] = from.repetition_penalty();
  if (from.has_seed()) to["seed"] = from.seed();
  if (from.has_min_tokens()) to["min_tokens"] = from.min_tokens();
  if (from.has_max_thinking_tokens()) to["max_thinking_tokens"] = from.max_thinking_tokens();
  if (from.bad_words_size() > 0) to["bad_words"] = ListOf(from.bad_words());
  if (from.stop_token_ids_size() > 0) to["stop_token_ids"] = ListOf(from.stop_token_ids());
  if (from.ignore_eos()) to["ignore_eos"] = true;
  for (const auto& [token, bias] : from.logit_bias()) {
    to["logit_bias"][std::to_string(token)] = bias;
  }
}

void AddStructure(const v1::GenerateRequest& from, Json& to) {
  Json& structure = to["structured_outputs"];
  if (from.flexible_json()) structure["disable_any_whitespace"] = false;
  switch (from.structure_case()) {
    case v1::GenerateRequest::kJsonSchema:
      structure["json"] = from.json_schema();
      break;
    case v1::GenerateRequest::kJsonObject:
      structure["json_object"] = from.json_object();
      break;
    case v1::GenerateRequest::kRegex:
      structure["regex"] = from.regex();
      break;
    case v1::GenerateRequest::kGrammar:
      structure["grammar"] = from.grammar();
      break;
    case v1::GenerateRequest::kChoice:
      structure["choice"] = ListOf(from.choice().choices());
      break;
    case v1::GenerateRequest::STRUCTURE_NOT_SET:  // null: none
      break;
  }
}

// What chats call otherwise than this message.
constexpr FieldName kNamesOfChat[] = {{"top_logprobs", "logprobs"}};

// All but the prompt, and what chats and completions have each in their own way.
Json CommonFields(const v1::GenerateRequest& from) {
  Json to = Json::object();
  to["model"] = from.model();
  if (from.has_max_tokens()) to["max_tokens"] = from.max_tokens();
  if (from.stop_size() > 0) to["stop"] = ListOf(from.stop());
  if (from.include_stop_str_in_output()) to["include_stop_str_in_output"] = true;
  if (from.has_skip_special_tokens()) to["skip_special_tokens"] = from.skip_special_tokens();
  if (from.has_n()) to["n"] = from.n();
  if (from.has_best_of()) to["best_of"] = from.best_of();
  if (from.has_prompt_logprobs()) to["prompt_logprobs"] = from.prompt_logprobs();
  if (from.priority() != 0) to["priority"] = from.priority();
  if (from.has_timeout()) to["timeout"] = from.timeout();
  if (!from.cache_salt().empty()) to["cache_salt"] = from.cache_salt();
  if (from.has_drafts()) to["drafts"] = from.drafts();
  AddSampling(from, to);
  AddStructure(from, to);
  return to;
}

// What has fields of its own is none of the others.
absl::StatusOr<Json> OtherFields(const v1::ChatMessage& message) {
  constexpr const char* kField = "other_fields_json";
  if (message.other_fields_json().empty()) return Json::object();
  SY_ASSIGN_OR_RETURN(Json fields, ParseField(kField, message.other_fields_json()));
  if (!fields.is_object()) return ParamError(kField, "'other_fields_json' must be an object");
  for (const char* own : {"role", "content", "tool_calls", "tool_call_id"}) {
    if (!fields.contains(own)) continue;
    return ParamError(kField, fmt::format("'other_fields_json' may not set '{}'", own));
  }
  return fields;
}

absl::StatusOr<Json> ToMessage(const v1::ChatMessage& from) {
  SY_ASSIGN_OR_RETURN(Json to, OtherFields(from));
  to["role"] = from.role();
  if (from.has_content()) to["content"] = from.content();
  if (!from.tool_call_id().empty()) to["tool_call_id"] = from.tool_call_id();
  if (!from.tool_calls_json().empty()) {
    SY_ASSIGN_OR_RETURN(to["tool_calls"], ParseField("tool_calls_json", from.tool_calls_json()));
  }
  return to;
}

absl::Status AddChat(const v1::ChatPrompt& from, Json& to) {
  Json& messages = to["messages"] = Json::array();
  for (const v1::ChatMessage& message : from.messages()) {
    SY_ASSIGN_OR_RETURN(Json json, ToMessage(message));
    messages.push_back(std::move(json));
  }
  if (!from.tools_json().empty()) {
    SY_ASSIGN_OR_RETURN(to["tools"], ParseField("tools_json", from.tools_json()));
  }
  if (!from.template_kwargs_json().empty()) {
    SY_ASSIGN_OR_RETURN(to["chat_template_kwargs"],
                        ParseField("template_kwargs_json", from.template_kwargs_json()));
  }
  if (!from.named_tool().empty()) {
    if (!from.tool_choice().empty()) {
      return ParamError("tool_choice", "'tool_choice' and 'named_tool' contradict each other");
    }
    to["tool_choice"] = {{"type", "function"}, {"function", {{"name", from.named_tool()}}}};
  } else if (!from.tool_choice().empty()) {
    to["tool_choice"] = from.tool_choice();
  }
  if (from.has_parallel_tool_calls()) to["parallel_tool_calls"] = from.parallel_tool_calls();
  if (from.has_include_reasoning()) to["include_reasoning"] = from.include_reasoning();
  if (from.has_add_generation_prompt()) to["add_generation_prompt"] = from.add_generation_prompt();
  if (from.continue_final_message()) to["continue_final_message"] = true;
  if (!from.reasoning_effort().empty()) to["reasoning_effort"] = from.reasoning_effort();
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::variant<ChatCompletionRequest, CompletionRequest>> ReadGenerateRequest(
    const v1::GenerateRequest& request) {
  Json json = CommonFields(request);
  switch (request.prompt_case()) {
    case v1::GenerateRequest::kChat: {
      if (request.echo())
        return ParamError("echo", "'echo' is for text and tokens, not for a chat");
      SY_RETURN_IF_ERROR(AddChat(request.chat(), json));
      if (request.has_logprobs()) {
        json["logprobs"] = true;
        json["top_logprobs"] = request.logprobs();
      }
      const RequestFields fields(json);
      absl::StatusOr<ChatCompletionRequest> chat = ReadChatCompletionRequest(fields);
      if (!chat.ok()) return InWordsOf(kNamesOfChat, chat.status());
      chat->generation.logprobs.answer_field = "logprobs";
      chat->unknown_fields = fields.Unread();
      return *std::move(chat);
    }
    case v1::GenerateRequest::kText:
      json["prompt"] = request.text();
      break;
    case v1::GenerateRequest::kTokens:
      json["prompt"] = ListOf(request.tokens().tokens());
      break;
    case v1::GenerateRequest::PROMPT_NOT_SET:
      return ParamError("prompt", "the request has no prompt: set text, chat or tokens");
  }
  json["echo"] = request.echo();
  if (request.has_logprobs()) json["logprobs"] = request.logprobs();
  return ReadCompletionRequest(json);
}

absl::StatusOr<Json> TokenizeFields(const v1::TokenizeRequest& request) {
  Json json = {{"model", request.model()}, {"return_token_strs", request.return_token_strs()}};
  if (request.has_text()) json["prompt"] = request.text();
  if (request.has_chat()) SY_RETURN_IF_ERROR(AddChat(request.chat(), json));
  if (request.has_add_special_tokens()) json["add_special_tokens"] = request.add_special_tokens();
  return json;
}

Json DetokenizeFields(const v1::DetokenizeRequest& request) {
  return {{"model", request.model()}, {"tokens", ListOf(request.tokens())}};
}

}  // namespace switchyard::gateway
