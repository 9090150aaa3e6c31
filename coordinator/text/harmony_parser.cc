#include "coordinator/text/harmony_parser.h"

#include <algorithm>
#include <utility>

#include "coordinator/text/tool_call_json.h"

namespace switchyard::text {
namespace {

constexpr size_t kMaxHeadBytes = 256;  // what is longer is text
constexpr std::string_view kRecipient = "to=";
constexpr std::string_view kFunctions = "functions.";
constexpr std::string_view kBlanks = " \t\r\n";

// From the beginning of `text` to the first blank.
std::string_view Word(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  return text.substr(0, text.find_first_of(kBlanks));
}

// "functions.NAME" behind "to=": NAME. Empty: the message is for nobody.
std::string_view ToolOf(std::string_view head) {
  const size_t at = head.find(kRecipient);
  if (at == head.npos) return {};
  const std::string_view name = Word(head.substr(at + kRecipient.size()));
  return name.starts_with(kFunctions) ? name.substr(kFunctions.size()) : name;
}

}  // namespace

std::optional<HarmonyMarks> FindHarmonyMarks(const Tokenizer& tokenizer,
                                             std::string_view template_source) {
  if (template_source.find("<|channel|>") == template_source.npos) return std::nullopt;
  HarmonyMarks marks;
  const std::pair<std::string_view, int32_t*> places[] = {{"<|start|>", &marks.start},
                                                          {"<|channel|>", &marks.channel},
                                                          {"<|constrain|>", &marks.constrain},
                                                          {"<|message|>", &marks.message},
                                                          {"<|end|>", &marks.end},
                                                          {"<|call|>", &marks.call},
                                                          {"<|return|>", &marks.last}};
  for (const auto& [text, id] : places) {
    const std::optional<int32_t> found = tokenizer.TokenToId(text);
    if (!found || !tokenizer.IsSpecial(*found)) return std::nullopt;
    *id = *found;
  }
  return marks;
}

bool HarmonyMarks::Has(int32_t id) const {
  return id == start || id == channel || id == constrain || id == message || id == end ||
         id == call || id == last;
}

absl::StatusOr<std::vector<int32_t>> ChannelHead(const Tokenizer& tokenizer,
                                                 const HarmonyMarks& marks,
                                                 std::string_view channel) {
  SY_ASSIGN_OR_RETURN(std::vector<int32_t> ids, tokenizer.Encode(channel, {}));
  ids.insert(ids.begin(), marks.channel);
  ids.push_back(marks.message);
  return ids;
}

bool EndsWithinMessage(std::span<const int32_t> prompt, const HarmonyMarks& marks,
                       std::span<const int32_t> head) {
  const auto at = std::find_end(prompt.begin(), prompt.end(), head.begin(), head.end());
  if (at == prompt.end()) return false;
  return std::none_of(at + std::ssize(head), prompt.end(),
                      [&](int32_t id) { return marks.Has(id); });
}

HarmonyParser::HarmonyParser(Detokenizer detokenizer, const HarmonyMarks& marks,
                             std::vector<std::string> tool_names)
    : marks_(marks), tool_names_(std::move(tool_names)), detokenizer_(std::move(detokenizer)) {}

AnswerPiece HarmonyParser::Push(int32_t id) {
  AnswerPiece piece;
  if (state_ == State::kHead) ++num_head_tokens_;
  if (state_ == State::kThoughts) ++num_reasoning_tokens_;
  if (!marks_.Has(id)) {
    Text(detokenizer_.Push(id), &piece);
    return piece;
  }
  Text(detokenizer_.Flush(), &piece);  // half a character before a mark
  Mark(id, &piece);
  return piece;
}

AnswerPiece HarmonyParser::Flush() {
  AnswerPiece piece;
  Text(detokenizer_.Flush(), &piece);
  if (state_ != State::kHead) {
    EndMessage(&piece);
  } else if (!is_marked_) {
    HeadIsText(&piece);
  }
  return piece;
}

void HarmonyParser::Mark(int32_t id, AnswerPiece* piece) {
  is_marked_ = true;
  const bool begins_head = id == marks_.start || (id == marks_.channel && state_ != State::kHead);
  if (begins_head) {
    EndMessage(piece);
    state_ = State::kHead;
    num_head_tokens_ = 1;
    head_.clear();
    channel_.clear();
    in_channel_ = id == marks_.channel;
  } else if (state_ != State::kHead) {
    if (id != marks_.constrain) EndMessage(piece);
  } else if (id == marks_.message) {
    BeginMessage();
  } else {
    head_ += ' ';
    channel_ += ' ';
    in_channel_ |= id == marks_.channel;
  }
}

void HarmonyParser::Text(std::string_view text, AnswerPiece* piece) {
  if (text.empty()) return;
  if (state_ == State::kHead) {
    head_ += text;
    if (in_channel_) channel_ += text;
    if (head_.size() > kMaxHeadBytes) HeadIsText(piece);
    return;
  }
  if (state_ == State::kBetween) {
    state_ = State::kContent;
    begins_ = true;
  }
  if (state_ == State::kCall) {
    call_ += text;
    return;
  }
  const bool thinks = state_ == State::kThoughts;
  std::string& to = thinks ? piece->reasoning : piece->content;
  bool& has_some = thinks ? has_thoughts_ : has_content_;
  if (std::exchange(begins_, false) && std::exchange(has_some, true)) to += '\n';
  to += text;
}

void HarmonyParser::BeginMessage() {
  const std::string_view tool = ToolOf(head_);
  const bool thinks = Word(channel_) == kThoughtsChannel && tool.empty();
  state_ = thinks ? State::kThoughts : tool.empty() ? State::kContent : State::kCall;
  if (thinks) num_reasoning_tokens_ += num_head_tokens_;
  tool_ = tool;
  call_.clear();
  begins_ = true;
}

void HarmonyParser::EndMessage(AnswerPiece* piece) {
  if (state_ == State::kCall) {
    std::optional<ToolCall> call = ParseNamedCall(tool_, call_, tool_names_);
    state_ = State::kContent;
    if (call) {
      piece->calls.push_back(*std::move(call));
    } else {
      Text(std::exchange(call_, {}), piece);
    }
  }
  state_ = State::kBetween;
}

void HarmonyParser::HeadIsText(AnswerPiece* piece) {
  state_ = State::kContent;
  begins_ = true;
  Text(std::exchange(head_, {}), piece);
}

}  // namespace switchyard::text
