#include "coordinator/text/marked_tool_calls.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "coordinator/text/tool_call_json.h"

namespace switchyard::text {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n";
constexpr std::string_view kTailBytes = " \t\r\n`";  // of a call, behind its object: a fence's end

bool StartsWith(std::string_view text, std::string_view prefix) {
  return !prefix.empty() && text.substr(0, prefix.size()) == prefix;
}

// R1 and V3: "function<｜tool▁sep｜>NAME\n```json\n{...}\n```"; V3.1: "NAME<｜tool▁sep｜>{...}".
std::optional<ToolCall> ParseDeepSeek(std::string_view body,
                                      const std::vector<std::string>& names) {
  constexpr std::string_view kSeparator = "<｜tool▁sep｜>";
  constexpr std::string_view kFence = "```json";
  constexpr std::string_view kFenceEnd = "```";
  const size_t separator = body.find(kSeparator);
  if (separator == body.npos) return std::nullopt;
  const std::string_view head = body.substr(0, separator);
  std::string_view tail = body.substr(separator + kSeparator.size());
  const size_t line_end = tail.find('\n');
  if (line_end == body.npos || !StartsWith(tail.substr(line_end + 1), kFence)) {
    return ParseNamedCall(head, tail, names);
  }
  const std::string_view name = tail.substr(0, line_end);
  tail.remove_prefix(line_end + 1 + kFence.size());
  const size_t end = tail.rfind(kFenceEnd);
  if (end == tail.npos ||
      tail.find_first_not_of(kWhiteSpace, end + kFenceEnd.size()) != tail.npos) {
    return std::nullopt;
  }
  return ParseNamedCall(name, tail.substr(0, end), names);
}

struct FoundMark {
  std::string_view mark;  // empty: none
  bool is_whole = false;  // false: it may become one when more has come
};

// Which of `marks` `text` begins with, which is not empty.
FoundMark MarkAt(std::string_view text, std::span<const std::string_view> marks) {
  for (const std::string_view mark : marks) {
    const std::string_view part = mark.substr(0, text.size());
    if (!mark.empty() && text.starts_with(part)) return {mark, part.size() == mark.size()};
  }
  return {};
}

}  // namespace

const ToolCallForm kDeepSeekForm = {.call_begin = "<｜tool▁call▁begin｜>",
                                    .call_end = "<｜tool▁call▁end｜>",
                                    .section_begin = "<｜tool▁calls▁begin｜>",
                                    .section_end = "<｜tool▁calls▁end｜>",
                                    .has_head = true,
                                    .parse = ParseDeepSeek};

const ToolCallForm kHermesForm = {.call_begin = "<tool_call>",
                                  .call_end = "</tool_call>",
                                  .section_begin = "",
                                  .section_end = "",
                                  .has_head = false,
                                  .parse = ParseJsonCall};

MarkedToolCalls::Piece MarkedToolCalls::Push(std::string_view text) {
  Piece piece;
  buffer_ += text;
  Read(&piece);
  return piece;
}

void MarkedToolCalls::Read(Piece* piece) {
  while (inside_ ? Inside(piece) : Outside(piece)) {
  }
  // Once for all that was decided: what is left may be long.
  buffer_.erase(0, begin_);
  next_ -= std::min(next_, begin_);
  begin_ = 0;
}

bool MarkedToolCalls::Outside(Piece* piece) {
  const std::array marks = {form_.call_begin, form_.section_begin, form_.section_end};
  const std::string_view rest = std::string_view(buffer_).substr(begin_);
  FoundMark found;
  size_t at = 0;
  while (at < rest.size()) {
    found = MarkAt(rest.substr(at), marks);
    if (!found.mark.empty()) break;
    ++at;
  }
  AddContent(rest.substr(0, at), piece);
  begin_ += at;
  if (!found.is_whole) return false;
  if (found.mark == form_.call_begin) {
    inside_ = true;
    next_ = begin_ + found.mark.size();
    part_ = Part::kHead;
    object_ = JsonObjectScanner();
    return true;
  }
  if (found.mark == form_.section_begin || !after_call_) glue_ += found.mark;
  begin_ += found.mark.size();
  return true;
}

bool MarkedToolCalls::Inside(Piece* piece) {
  const std::array marks = {form_.call_end, form_.call_begin};
  while (next_ < buffer_.size()) {
    if (part_ != Part::kObject) {  // JSON has no marks outside of strings
      const FoundMark found = MarkAt(std::string_view(buffer_).substr(next_), marks);
      if (!found.mark.empty() && !found.is_whole) return false;
      if (found.is_whole) {
        EndCall(found.mark, piece);
        return true;
      }
    }
    if (Scan(buffer_[next_++])) continue;
    NoCall(piece);
    return true;
  }
  return false;
}

bool MarkedToolCalls::Scan(char byte) {
  if (part_ == Part::kTail) return kTailBytes.find(byte) != kTailBytes.npos;
  if (part_ == Part::kHead && byte != '{') {
    return form_.has_head ? byte != '"' : kWhiteSpace.find(byte) != kWhiteSpace.npos;
  }
  part_ = object_.Push(byte) ? Part::kTail : Part::kObject;
  return !object_.is_broken();
}

void MarkedToolCalls::EndCall(std::string_view mark, Piece* piece) {
  if (part_ != Part::kTail) return NoCall(piece);
  const std::string_view read = std::string_view(buffer_).substr(begin_, next_ - begin_);
  const size_t num_marked = mark == form_.call_end ? mark.size() : 0;
  const std::string_view raw = std::string_view(buffer_).substr(begin_, read.size() + num_marked);
  inside_ = false;
  begin_ += raw.size();
  AddCall(read.substr(form_.call_begin.size()), raw, piece);
}

void MarkedToolCalls::NoCall(Piece* piece) {
  inside_ = false;
  AddContent(form_.call_begin, piece);
  begin_ += form_.call_begin.size();
}

MarkedToolCalls::Piece MarkedToolCalls::Flush() {
  Piece piece;
  while (inside_) {
    next_ = buffer_.size();
    EndCall("", &piece);
    Read(&piece);
  }
  AddContent(std::exchange(buffer_, {}), &piece);
  const bool is_white = glue_.find_first_not_of(kWhiteSpace) == glue_.npos;
  if (!(after_call_ && is_white)) piece.content += glue_;
  glue_.clear();
  return piece;
}

void MarkedToolCalls::AddContent(std::string_view text, Piece* piece) {
  const size_t last = text.find_last_not_of(kWhiteSpace);
  if (last != text.npos) {
    piece->content += std::exchange(glue_, {});
    piece->content += text.substr(0, last + 1);
    text.remove_prefix(last + 1);
    after_call_ = false;
  }
  glue_ += text;
}

void MarkedToolCalls::AddCall(std::string_view body, std::string_view raw, Piece* piece) {
  std::optional<ToolCall> call = form_.parse(body, names_);
  if (!call) return AddContent(raw, piece);
  glue_.clear();
  after_call_ = true;
  call->text_before = piece->content.size();
  piece->calls.push_back(*std::move(call));
}

}  // namespace switchyard::text
