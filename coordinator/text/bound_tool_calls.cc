#include "coordinator/text/bound_tool_calls.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace switchyard::text {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n";

// How many bytes at the end of `text` may begin `mark`.
size_t MarkedAtEnd(std::string_view text, std::string_view mark) {
  size_t num_marked = std::min(text.size(), mark.size() - 1);
  while (num_marked > 0 && !text.ends_with(mark.substr(0, num_marked))) --num_marked;
  return num_marked;
}

}  // namespace

BoundToolCalls::BoundToolCalls(const ToolCallLayout& layout, bool is_demanded)
    : layout_(layout),
      is_demanded_(is_demanded),
      opening_(fmt::format("{}{}", layout.section_begin, layout.before_name)),
      next_(fmt::format("{}{}{}", layout.after_arguments, layout.separator, layout.before_name)),
      end_(fmt::format("{}{}", layout.after_arguments, layout.section_end)) {}

BoundToolCalls::Piece BoundToolCalls::Push(std::string_view text) {
  Piece piece;
  buffer_ += text;
  for (bool goes_on = true; goes_on;) {
    switch (state_) {
      case State::kText:
        goes_on = Text(&piece);
        break;
      case State::kName:
        goes_on = Name(&piece);
        break;
      case State::kArguments:
        goes_on = Arguments(&piece);
        break;
      case State::kAfter:
        goes_on = After();
        break;
      case State::kRest:
        piece.content += std::exchange(buffer_, {});
        goes_on = false;
        break;
    }
  }
  return piece;
}

BoundToolCalls::Piece BoundToolCalls::Flush() {
  Piece piece;
  const bool is_text = state_ == State::kRest || (state_ == State::kText && !is_demanded_);
  if (is_text) piece.content = glue_ + buffer_;
  glue_.clear();
  buffer_.clear();
  return piece;
}

void BoundToolCalls::AddContent(std::string_view text, Piece* piece) {
  size_t num_content = text.size();
  if (layout_.may_follow_text) num_content = text.find_last_not_of(kWhiteSpace) + 1;  // none: 0
  if (num_content > 0) {
    has_text_ = true;
    piece->content += std::exchange(glue_, {});
    piece->content += text.substr(0, num_content);
  }
  glue_ += text.substr(num_content);
}

bool BoundToolCalls::Text(Piece* piece) {
  const size_t at = buffer_.find(opening_);
  if (at != buffer_.npos && (layout_.may_follow_text || (!has_text_ && at == 0))) {
    AddContent(std::string_view(buffer_).substr(0, at), piece);
    glue_.clear();
    buffer_.erase(0, at + opening_.size());
    state_ = State::kName;
    return true;
  }
  size_t num_held = 0;
  if (layout_.may_follow_text) {
    num_held = MarkedAtEnd(buffer_, opening_);
  } else if (!has_text_ && opening_.starts_with(buffer_)) {
    num_held = buffer_.size();
  }
  const size_t num_decided = buffer_.size() - num_held;
  AddContent(std::string_view(buffer_).substr(0, num_decided), piece);
  buffer_.erase(0, num_decided);
  return false;
}

bool BoundToolCalls::Name(Piece* piece) {
  const size_t end = buffer_.find(layout_.before_arguments);
  if (end == buffer_.npos) return false;
  piece->calls.push_back(
      {.name = buffer_.substr(0, end), .arguments = "", .text_before = piece->content.size()});
  buffer_.erase(0, end + layout_.before_arguments.size());
  scanner_ = JsonObjectScanner();
  state_ = State::kArguments;
  return true;
}

bool BoundToolCalls::Arguments(Piece* piece) {
  size_t size = 0;
  bool is_whole = false;
  while (size < buffer_.size() && !is_whole) is_whole = scanner_.Push(buffer_[size++]);
  if (size == 0) return false;
  if (piece->calls.empty()) piece->calls.push_back({.text_before = piece->content.size()});
  piece->calls.back().arguments += buffer_.substr(0, size);
  buffer_.erase(0, size);
  if (is_whole) state_ = State::kAfter;
  return is_whole;
}

bool BoundToolCalls::After() {
  if (buffer_.starts_with(next_)) {
    buffer_.erase(0, next_.size());
    state_ = State::kName;
    return true;
  }
  // Where nothing ends all calls, the answer's end does.
  if (next_.starts_with(buffer_) || end_.starts_with(buffer_)) return false;
  if (buffer_.starts_with(end_)) buffer_.erase(0, end_.size());
  state_ = State::kRest;
  return true;
}

}  // namespace switchyard::text
