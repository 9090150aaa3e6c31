#include "coordinator/gateway/messages_answer.h"

#include <fmt/format.h>

#include <utility>

#include "base/field_error.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/http_router.h"
#include "coordinator/gateway/random_id.h"
#include "coordinator/gateway/sse_writer.h"
#include "coordinator/text/tool_call_json.h"

namespace switchyard::gateway {
namespace {

const char* StopReason(const CompletionEnd& end) {
  if (end.reason == core::FinishReason::kLength) return "max_tokens";
  if (end.stopped_by) return "stop_sequence";
  return end.called_tools ? "tool_use" : "end_turn";
}

Json StopSequence(const CompletionEnd& end) {
  return end.stopped_by ? Json(*end.stopped_by) : Json(nullptr);
}

// What was read from the cache is no input here: both together are the prompt.
Json UsageObject(int32_t num_prompt_tokens, int32_t num_cached_tokens,
                 int32_t num_completion_tokens) {
  return {{"input_tokens", num_prompt_tokens - num_cached_tokens},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", num_cached_tokens},
          {"output_tokens", num_completion_tokens}};
}

Json UsageObject(const CompletionEnd& end) {
  return UsageObject(end.num_prompt_tokens, end.num_cached_tokens, end.num_completion_tokens);
}

Json MessageObject(const MessagesHead& head, Json content) {
  return {{"id", head.id},
          {"type", "message"},
          {"role", "assistant"},
          {"model", head.model},
          {"content", std::move(content)},
          {"stop_reason", nullptr},
          {"stop_sequence", nullptr}};
}

Json ThinkingBlock(const std::string& text) {
  return {{"type", "thinking"}, {"thinking", text}, {"signature", ""}};
}
Json TextBlock(const std::string& text) { return {{"type", "text"}, {"text", text}}; }
Json ToolBlock(const std::string& name, Json input) {
  return {{"type", "tool_use"},
          {"id", fmt::format("toolu_{:016x}{:08x}", RandomUint64(), RandomUint64() >> 32)},
          {"name", name},
          {"input", std::move(input)}};
}

const char* ErrorType(int http_status) {
  switch (http_status) {
    case 401:
      return "authentication_error";
    case 403:
      return "permission_error";
    case 404:
      return "not_found_error";
    case 413:
      return "request_too_large";
    case 429:
      return "rate_limit_error";
    case 503:
      return "overloaded_error";
    default:
      return http_status >= 500 ? "api_error" : "invalid_request_error";
  }
}

Json ErrorObjectOf(int http_status, std::string_view message) {
  return {{"type", "error"}, {"error", {{"type", ErrorType(http_status)}, {"message", message}}}};
}
// The field has no place of its own in this shape: the message begins with it unless it says it.
Json ErrorObjectOf(const absl::Status& status) {
  const std::string field = FieldOf(status);
  const std::string message = ClientMessage(status);
  const bool is_said = message.find(field) != message.npos;
  return ErrorObjectOf(HttpStatusOf(status),
                       is_said ? message : fmt::format("{}: {}", field, message));
}

class WholeMessage final : public CompletionSink {
 public:
  WholeMessage(MessagesHead head, std::shared_ptr<HttpReply> reply, GatewayMetrics& metrics)
      : head_(std::move(head)), reply_(std::move(reply)), metrics_(metrics) {}

  void OnDelta(CompletionDelta delta) override {
    if (!delta.reasoning.empty()) TextOf(Block::kThinking) += delta.reasoning;
    if (!delta.text.empty()) TextOf(Block::kText) += delta.text;
    for (text::ToolCall& call : delta.calls) {
      if (!call.name.empty()) blocks_.push_back({.kind = Block::kCall, .name = call.name});
      blocks_.back().text += call.arguments;
    }
  }

  void OnEnd(const CompletionEnd& end) override {
    if (!end.status.ok()) {
      return SendAnswer(metrics_, head_.route, *reply_, MessagesErrorResponse(end.status));
    }
    Json content = Json::array();
    for (const Block& block : blocks_) {
      if (block.kind != Block::kCall) {
        content.push_back(block.kind == Block::kText ? TextBlock(block.text)
                                                     : ThinkingBlock(block.text));
        continue;
      }
      // What max_tokens or a stop text has cut is no call.
      absl::StatusOr<Json> input = text::ParseArguments(block.text);
      if (input.ok()) content.push_back(ToolBlock(block.name, *std::move(input)));
    }
    Json message = MessageObject(head_, std::move(content));
    message["stop_reason"] = StopReason(end);
    message["stop_sequence"] = StopSequence(end);
    message["usage"] = UsageObject(end);
    SendAnswer(metrics_, head_.route, *reply_, {.body = DumpJson(message)});
  }

 private:
  struct Block {
    enum Kind { kThinking, kText, kCall };
    Kind kind = kText;
    std::string name;  // of a call
    std::string text;  // or the call's arguments
  };

  // Of the last block, a new one where that is of another kind.
  std::string& TextOf(Block::Kind kind) {
    if (blocks_.empty() || blocks_.back().kind != kind) blocks_.push_back({.kind = kind});
    return blocks_.back().text;
  }

  const MessagesHead head_;
  const std::shared_ptr<HttpReply> reply_;
  GatewayMetrics& metrics_;
  std::vector<Block> blocks_;  // in the order in which the model wrote them
};

// message_start, then for each block start, deltas and stop, then message_delta and message_stop.
class StreamedMessage final : public CompletionSink {
 public:
  StreamedMessage(MessagesHead head, std::shared_ptr<HttpReply> reply, GatewayMetrics& metrics)
      : head_(std::move(head)), reply_(std::move(reply)), metrics_(metrics), writer_(reply_) {}

  void OnDelta(CompletionDelta delta) override {
    Begin(delta.num_cached_tokens);
    if (!delta.reasoning.empty()) {
      Open(Block::kThinking);
      Delta({{"type", "thinking_delta"}, {"thinking", delta.reasoning}});
    }
    if (!delta.text.empty()) {
      Open(Block::kText);
      Delta({{"type", "text_delta"}, {"text", delta.text}});
    }
    for (const text::ToolCall& call : delta.calls) {
      if (!call.name.empty()) {
        CloseBlock();
        next_call_ = call.name;
      }
      if (call.arguments.empty()) continue;
      if (block_ != Block::kTool) Start(Block::kTool, ToolBlock(next_call_, Json::object()));
      Delta({{"type", "input_json_delta"}, {"partial_json", call.arguments}});
    }
  }

  void OnEnd(const CompletionEnd& end) override {
    if (!end.status.ok()) return Fail(end.status);
    Begin(end.num_cached_tokens);
    CloseBlock();
    Event("message_delta",
          {{"delta", {{"stop_reason", StopReason(end)}, {"stop_sequence", StopSequence(end)}}},
           {"usage", UsageObject(end)}});
    Event("message_stop", Json::object());
    writer_.End();
  }

 private:
  enum class Block { kNone, kThinking, kText, kTool };

  // An event's data repeats its name as "type".
  void Event(const char* name, Json more) {
    Json data = {{"type", name}};
    data.update(more);
    writer_.Event(name, data);
  }
  void Begin(int32_t num_cached_tokens) {
    if (writer_.started()) return;
    metrics_.CountResponse(head_.route, 200);
    Json message = MessageObject(head_, Json::array());
    message["usage"] = UsageObject(head_.num_prompt_tokens, num_cached_tokens, 0);
    Event("message_start", {{"message", std::move(message)}});
  }
  // The block that text of this kind goes to.
  void Open(Block block) {
    if (block_ == block) return;
    CloseBlock();
    Start(block, block == Block::kText ? TextBlock("") : ThinkingBlock(""));
  }
  void Start(Block block, Json content) {
    block_ = block;
    Event("content_block_start", {{"index", num_blocks_}, {"content_block", std::move(content)}});
  }
  void Delta(Json delta) {
    Event("content_block_delta", {{"index", num_blocks_}, {"delta", std::move(delta)}});
  }
  void CloseBlock() {
    if (block_ == Block::kNone) return;
    if (block_ == Block::kThinking) Delta({{"type", "signature_delta"}, {"signature", ""}});
    Event("content_block_stop", {{"index", num_blocks_++}});
    block_ = Block::kNone;
  }
  void Fail(const absl::Status& status) {
    if (!writer_.started()) {
      return SendAnswer(metrics_, head_.route, *reply_, MessagesErrorResponse(status));
    }
    writer_.Event("error", ErrorObjectOf(status));
    writer_.End();
  }

  const MessagesHead head_;
  const std::shared_ptr<HttpReply> reply_;
  GatewayMetrics& metrics_;
  SseWriter writer_;
  Block block_ = Block::kNone;
  int num_blocks_ = 0;  // that are closed
  // A call's block begins with its arguments: one that is cut before them would be read as a call
  // without any.
  std::string next_call_;
};

}  // namespace

std::string MessagesErrorBody(int http_status, std::string_view message) {
  return DumpJson(ErrorObjectOf(http_status, message));
}

HttpResponse MessagesErrorResponse(const absl::Status& status) {
  HttpResponse response = ErrorResponse(status);
  response.body = DumpJson(ErrorObjectOf(status));
  return response;
}

std::shared_ptr<CompletionSink> MakeMessagesSink(MessagesHead head, bool stream,
                                                 std::shared_ptr<HttpReply> reply,
                                                 GatewayMetrics& metrics) {
  if (stream) {
    return std::make_shared<StreamedMessage>(std::move(head), std::move(reply), metrics);
  }
  return std::make_shared<WholeMessage>(std::move(head), std::move(reply), metrics);
}

}  // namespace switchyard::gateway
