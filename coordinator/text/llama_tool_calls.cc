#include "coordinator/text/llama_tool_calls.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace switchyard::text {
namespace {

bool IsSpace(char byte) { return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n'; }

}  // namespace

LlamaToolCalls::Piece LlamaToolCalls::Push(std::string_view text) {
  Piece piece;
  for (size_t i = 0; i < text.size(); ++i) {
    if (state_ == State::kContent) {
      piece.content += text.substr(i);
      break;
    }
    state_ == State::kObject ? Object(text[i], &piece) : Between(text[i], &piece);
  }
  return piece;
}

LlamaToolCalls::Piece LlamaToolCalls::Flush() {
  Piece piece;
  const bool is_whole = state_ == State::kBetween && has_call_;
  if (!is_whole || glue_.find(kTag[0]) != glue_.npos) GiveUp(&piece);
  return piece;
}

void LlamaToolCalls::Between(char byte, Piece* piece) {
  glue_ += byte;
  if (byte == '{') {
    glue_.pop_back();
    state_ = State::kObject;
    scanner_ = JsonObjectScanner();
    return Object(byte, piece);
  }
  if (IsSpace(byte) || (byte == ';' && has_call_)) return;
  // Nothing else but a tag, or its beginning, may stand here.
  const size_t begin = glue_.find(kTag[0]);
  const size_t size = glue_.size() - std::min(begin, glue_.size());
  if (begin != glue_.npos && size <= kTag.size() && kTag.substr(0, size) == glue_.substr(begin)) {
    return;
  }
  GiveUp(piece);
}

void LlamaToolCalls::Object(char byte, Piece* piece) {
  object_ += byte;
  if (!scanner_.Push(byte)) return;
  std::optional<ToolCall> call = ParseJsonCall(object_, names_);
  if (!call) return GiveUp(piece);
  has_call_ = true;
  glue_.clear();
  object_.clear();
  state_ = State::kBetween;
  call->text_before = piece->content.size();
  piece->calls.push_back(*std::move(call));
}

void LlamaToolCalls::GiveUp(Piece* piece) {
  piece->content += std::exchange(glue_, {});
  piece->content += std::exchange(object_, {});
  state_ = State::kContent;
}

}  // namespace switchyard::text
