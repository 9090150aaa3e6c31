#include "coordinator/text/marked_tool_calls.h"

#include <algorithm>
#include <array>
#include <utility>

#include "coordinator/text/tool_call_json.h"

namespace switchyard::text {
namespace {

constexpr std::string_view kWhiteSpace = " \t\r\n";

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

// How many bytes at the end of `text` may be the beginning of `mark`.
size_t PartAtEnd(std::string_view text, std::string_view mark) {
  if (mark.empty()) return 0;
  for (size_t n = std::min(text.size(), mark.size() - 1); n > 0; --n) {
    if (text.substr(text.size() - n) == mark.substr(0, n)) return n;
  }
  return 0;
}

}  // namespace

const ToolCallForm kDeepSeekForm = {.call_begin = "<｜tool▁call▁begin｜>",
                                    .call_end = "<｜tool▁call▁end｜>",
                                    .section_begin = "<｜tool▁calls▁begin｜>",
                                    .section_end = "<｜tool▁calls▁end｜>",
                                    .parse = ParseDeepSeek};

const ToolCallForm kHermesForm = {.call_begin = "<tool_call>",
                                  .call_end = "</tool_call>",
                                  .section_begin = "",
                                  .section_end = "",
                                  .parse = ParseJsonCall};

MarkedToolCalls::Piece MarkedToolCalls::Push(std::string_view text) {
  Piece piece;
  buffer_ += text;
  Read(&piece);
  return piece;
}

void MarkedToolCalls::Read(Piece* piece) {
  while (true) {
    if (!inside_) Outside(piece);
    if (!inside_) return;
    const size_t end = FindEnd();
    if (end == buffer_.npos) return;
    const std::string raw = buffer_.substr(0, end + form_.call_end.size());
    buffer_.erase(0, raw.size());
    inside_ = false;
    const size_t begin = form_.call_begin.size();
    AddCall(std::string_view(raw).substr(begin, end - begin), raw, piece);
  }
}

void MarkedToolCalls::BeginCall() {
  inside_ = true;
  num_searched_ = form_.call_begin.size();
  part_ = Part::kHead;
  object_ = JsonObjectScanner();
}

size_t MarkedToolCalls::FindEnd() {
  while (num_searched_ < buffer_.size()) {
    const std::string_view rest = std::string_view(buffer_).substr(num_searched_);
    const bool counts = part_ != Part::kObject || !object_.in_string();
    if (counts && rest.starts_with(form_.call_end)) return num_searched_;
    if (counts && form_.call_end.starts_with(rest)) return buffer_.npos;
    Scan(buffer_[num_searched_++]);
    if (part_ != Part::kObject || !object_.is_broken()) continue;
    part_ = Part::kTail;
    num_searched_ = form_.call_begin.size();
  }
  return buffer_.npos;
}

void MarkedToolCalls::Scan(char byte) {
  if (part_ == Part::kHead && byte == '{') part_ = Part::kObject;
  if (part_ == Part::kObject && object_.Push(byte)) part_ = Part::kTail;
}

MarkedToolCalls::Piece MarkedToolCalls::Flush() {
  Piece piece;
  while (inside_) {
    const std::string raw = buffer_;
    const std::string_view body = std::string_view(raw).substr(form_.call_begin.size());
    const bool may_be_cut = part_ == Part::kObject && body.find(form_.call_end) != body.npos;
    if (may_be_cut && !form_.parse(body, names_)) {  // a string is open that began before a mark
      part_ = Part::kTail;
      num_searched_ = form_.call_begin.size();
      Read(&piece);
      continue;
    }
    inside_ = false;
    buffer_.clear();
    AddCall(body, raw, &piece);
  }
  AddContent(std::exchange(buffer_, {}), &piece);
  const bool is_white = glue_.find_first_not_of(kWhiteSpace) == glue_.npos;
  if (!(after_call_ && is_white)) piece.content += glue_;
  glue_.clear();
  return piece;
}

// Passes on what stands before the next call and is decided.
void MarkedToolCalls::Outside(Piece* piece) {
  const std::array marks = {form_.call_begin, form_.section_begin, form_.section_end};
  while (true) {
    size_t begin = buffer_.npos;
    std::string_view found;
    size_t num_undecided = 0;
    for (const std::string_view mark : marks) {
      num_undecided = std::max(num_undecided, PartAtEnd(buffer_, mark));
      const size_t at = mark.empty() ? buffer_.npos : buffer_.find(mark);
      if (at < begin) {
        begin = at;
        found = mark;
      }
    }
    if (found.empty()) {
      const size_t num_decided = buffer_.size() - num_undecided;
      AddContent(std::string_view(buffer_).substr(0, num_decided), piece);
      buffer_.erase(0, num_decided);
      return;
    }
    AddContent(std::string_view(buffer_).substr(0, begin), piece);
    if (found == form_.call_begin) {
      buffer_.erase(0, begin);
      return BeginCall();
    }
    if (found == form_.section_begin || !after_call_) glue_ += found;
    buffer_.erase(0, begin + found.size());
  }
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
