#include "coordinator/gateway/responses_answer.h"

#include <ctime>
#include <utility>

#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/random_id.h"
#include "coordinator/text/tool_call_json.h"

namespace switchyard::gateway {
namespace {

Json TextPart(bool is_reasoning, const std::string& text) {
  if (is_reasoning) return {{"type", "reasoning_text"}, {"text", text}};
  return {{"type", "output_text"},
          {"text", text},
          {"annotations", Json::array()},
          {"logprobs", Json::array()}};
}

Json UsageObject(const CompletionEnd& end) {
  return {{"input_tokens", end.num_prompt_tokens},
          {"input_tokens_details",
           {{"cached_tokens", end.num_cached_tokens}, {"cache_write_tokens", 0}}},
          {"output_tokens", end.num_completion_tokens},
          {"output_tokens_details", {{"reasoning_tokens", end.num_reasoning_tokens}}},
          {"total_tokens", end.num_prompt_tokens + end.num_completion_tokens}};
}

}  // namespace

Json MakeResponseObject(const ServedModel& model, const Json& echoed, std::string_view status) {
  Json response = {
      {"id", RandomName("resp")}, {"object", "response"},    {"created_at", std::time(nullptr)},
      {"status", status},         {"error", nullptr},        {"incomplete_details", nullptr},
      {"model", model.name},      {"output", Json::array()}, {"usage", nullptr}};
  response.update(echoed);
  return response;
}

void ResponseWriter::Begin() {
  response_["status"] = "in_progress";
  Event("response.created", {{"response", response_}});
  Event("response.in_progress", {{"response", response_}});
}

void ResponseWriter::Add(const CompletionDelta& delta) {
  if (!delta.reasoning.empty()) Text(Item::kReasoning, delta.reasoning);
  if (!delta.text.empty()) Text(Item::kMessage, delta.text);
  for (const text::ToolCall& call : delta.calls) Call(call);
}

void ResponseWriter::Text(Item item, const std::string& text) {
  const bool is_reasoning = item == Item::kReasoning;
  if (open_ != item) {
    CloseItem("completed");
    if (is_reasoning) {
      Open(item, {{"id", RandomName("rs")},
                  {"type", "reasoning"},
                  {"status", "in_progress"},
                  {"summary", Json::array()},
                  {"content", Json::array()}});
    } else {
      Open(item, {{"id", RandomName("msg")},
                  {"type", "message"},
                  {"status", "in_progress"},
                  {"role", "assistant"},
                  {"content", Json::array()}});
    }
    ItemEvent("response.content_part.added",
              {{"content_index", 0}, {"part", TextPart(is_reasoning, "")}});
  }
  text_ += text;
  Json data = {{"content_index", 0}, {"delta", text}};
  if (!is_reasoning) data["logprobs"] = Json::array();
  ItemEvent(is_reasoning ? "response.reasoning_text.delta" : "response.output_text.delta",
            std::move(data));
}

void ResponseWriter::Call(const text::ToolCall& call) {
  if (!call.name.empty()) {
    CloseItem("completed");
    Open(Item::kCall, {{"id", RandomName("fc")},
                       {"type", "function_call"},
                       {"status", "in_progress"},
                       {"call_id", RandomName("call")},
                       {"name", call.name},
                       {"arguments", ""}});
  }
  if (call.arguments.empty()) return;
  text_ += call.arguments;
  ItemEvent("response.function_call_arguments.delta", {{"delta", call.arguments}});
}

void ResponseWriter::Open(Item item, Json object) {
  open_ = item;
  text_.clear();
  response_["output"].push_back(std::move(object));
  Event("response.output_item.added",
        {{"output_index", response_["output"].size() - 1}, {"item", response_["output"].back()}});
}

void ResponseWriter::CloseText(Json& item) {
  const bool is_reasoning = open_ == Item::kReasoning;
  const Json part = TextPart(is_reasoning, text_);
  Json data = {{"content_index", 0}, {"text", text_}};
  if (!is_reasoning) data["logprobs"] = Json::array();
  ItemEvent(is_reasoning ? "response.reasoning_text.done" : "response.output_text.done",
            std::move(data));
  ItemEvent("response.content_part.done", {{"content_index", 0}, {"part", part}});
  item["content"].push_back(part);
}

void ResponseWriter::CloseItem(const char* status) {
  if (open_ == Item::kNone) return;
  Json& item = response_["output"].back();
  if (open_ == Item::kCall) {
    item["arguments"] = text_;
    ItemEvent("response.function_call_arguments.done",
              {{"name", item["name"]}, {"arguments", text_}});
  } else {
    CloseText(item);
  }
  item["status"] = status;
  Event("response.output_item.done",
        {{"output_index", response_["output"].size() - 1}, {"item", item}});
  open_ = Item::kNone;
}

void ResponseWriter::End(const CompletionEnd& end) {
  const bool failed = !end.status.ok();
  const bool has_length = end.reason == core::FinishReason::kLength;
  // Clients parse the arguments of a call that is completed.
  const bool is_cut_call = open_ == Item::kCall && !text::ParseArguments(text_).ok();
  const bool is_cut = failed || has_length || is_cut_call;
  CloseItem(is_cut ? "incomplete" : "completed");
  const char* status = failed ? "failed" : is_cut ? "incomplete" : "completed";
  response_["status"] = status;
  response_["usage"] = UsageObject(end);
  if (failed) {
    const Json error = ErrorObject(end.status)["error"];
    response_["error"] = {
        {"code", HttpStatusOf(end.status) == 429 ? "rate_limit_exceeded" : "server_error"},
        {"message", error["message"]}};
  } else if (is_cut) {
    response_["incomplete_details"] = {{"reason", has_length ? "max_output_tokens" : "stop"}};
  } else {
    response_["completed_at"] = std::time(nullptr);
  }
}

void ResponseWriter::Cancel() {
  CloseItem("incomplete");
  response_["status"] = "cancelled";
}

void ResponseWriter::AnnounceEnd() {
  const auto& status = response_["status"].get_ref<const std::string&>();
  Event("response." + (status == "cancelled" ? "incomplete" : status), {{"response", response_}});
}

Json ResponseWriter::response() const {
  Json response = response_;
  if (open_ == Item::kNone) return response;
  Json& item = response["output"].back();
  if (open_ == Item::kCall) {
    item["arguments"] = text_;
  } else {
    item["content"].push_back(TextPart(open_ == Item::kReasoning, text_));
  }
  return response;
}

void ResponseWriter::ItemEvent(std::string_view type, Json data) {
  if (!on_event_) return;
  const Json& output = response_["output"];
  data["item_id"] = output.back()["id"];
  data["output_index"] = output.size() - 1;
  Event(type, std::move(data));
}

void ResponseWriter::Event(std::string_view type, Json data) {
  if (on_event_) on_event_(type, std::move(data));
}

}  // namespace switchyard::gateway
