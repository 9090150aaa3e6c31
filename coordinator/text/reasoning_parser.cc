#include "coordinator/text/reasoning_parser.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "base/json.h"

namespace switchyard::text {
namespace {

constexpr std::string_view kBegin = "<think>";
constexpr std::string_view kEnd = "</think>";
constexpr std::string_view kLineBreaks = "\r\n";
constexpr std::string_view kWhiteSpace = " \t\r\n";

}  // namespace

std::optional<ReasoningMarks> FindReasoningMarks(const Tokenizer& tokenizer,
                                                 std::string_view template_source) {
  const std::optional<int32_t> begin = tokenizer.TokenToId(kBegin);
  const std::optional<int32_t> end = tokenizer.TokenToId(kEnd);
  if (!begin || !end) return std::nullopt;
  const bool spoken_of = template_source.find(kBegin) != std::string_view::npos ||
                         template_source.find(kEnd) != std::string_view::npos;
  if (!spoken_of) return std::nullopt;
  return ReasoningMarks{.begin = *begin, .end = *end};
}

PromptThoughts ThoughtsAtEnd(const Tokenizer& tokenizer, const ReasoningMarks& marks,
                             std::span<const int32_t> prompt) {
  for (size_t i = prompt.size(); i > 0; --i) {
    const int32_t id = prompt[i - 1];
    if (id == marks.begin) return PromptThoughts::kOpened;
    if (id == marks.end) return PromptThoughts::kClosed;
    const std::string_view text = tokenizer.DecodeToken(id);
    if (text.empty() || text.find_first_not_of(kWhiteSpace) != text.npos) break;
  }
  return PromptThoughts::kNone;
}

bool LeavesBeginToModel(const Tokenizer& tokenizer, const ReasoningMarks& marks,
                        const ModelChatTemplate& chat_template) {
  const Json thinks = {{"enable_thinking", true},
                       {"thinking", true}};  // by Qwen's and by DeepSeek's name
  const Json messages = Json::array({{{"role", "user"}, {"content", "Hi"}}});
  const absl::StatusOr<RenderedText> rendered =
      chat_template.chat.Render({.messages = messages,
                                 .add_generation_prompt = true,
                                 .kwargs = &thinks,
                                 .bos_token = chat_template.bos_token,
                                 .eos_token = chat_template.eos_token});
  if (!rendered.ok()) return false;
  const absl::StatusOr<std::vector<int32_t>> prompt = tokenizer.EncodeRendered(*rendered);
  return prompt.ok() && ThoughtsAtEnd(tokenizer, marks, *prompt) == PromptThoughts::kNone;
}

ReasoningParser::ReasoningParser(Detokenizer detokenizer, std::optional<ReasoningMarks> marks,
                                 bool opened)
    : detokenizer_(std::move(detokenizer)), marks_(marks) {
  if (!marks_) return;
  state_ = State::kBefore;
  if (opened) Enter(State::kInside);
}

ReasoningParser::Piece ReasoningParser::Push(int32_t id) {
  Piece piece;
  if (state_ == State::kInside) ++num_reasoning_tokens_;
  if (state_ == State::kBefore && id == marks_->begin) {
    Add(detokenizer_.Flush(), &piece);  // half a character before the mark makes it text
    if (state_ == State::kBefore) {
      ++num_reasoning_tokens_;
      Enter(State::kInside);
      return piece;
    }
  } else if (state_ == State::kInside && id == marks_->end) {
    Add(detokenizer_.Flush(), &piece);
    Enter(State::kContent);
    return piece;
  } else if (state_ == State::kInside && id == marks_->begin && at_mark_) {
    return piece;  // the model writes a mark that the prompt has already
  }
  Add(detokenizer_.Push(id), &piece);
  return piece;
}

ReasoningParser::Piece ReasoningParser::Flush() {
  Piece piece;
  Add(detokenizer_.Flush(), &piece);
  (state_ == State::kInside ? piece.reasoning : piece.content) += std::exchange(held_, {});
  return piece;
}

void ReasoningParser::Enter(State state) {
  state_ = state;
  at_mark_ = true;
  held_.clear();
}

void ReasoningParser::Add(std::string_view text, Piece* piece) {
  if (at_mark_) {
    text.remove_prefix(std::min(text.find_first_not_of(kLineBreaks), text.size()));
    if (text.empty()) return;
    at_mark_ = false;
  }
  if (state_ == State::kContent) {
    piece->content += text;
    return;
  }
  const bool before = state_ == State::kBefore;
  const size_t last = text.find_last_not_of(before ? kWhiteSpace : kLineBreaks);
  if (last == text.npos) {
    held_ += text;
    return;
  }
  if (before) {  // the answer has begun without thoughts
    state_ = State::kContent;
    piece->content += std::exchange(held_, {});
    piece->content += text;
    return;
  }
  piece->reasoning += std::exchange(held_, {});
  piece->reasoning += text.substr(0, last + 1);
  held_ = text.substr(last + 1);
}

}  // namespace switchyard::text
