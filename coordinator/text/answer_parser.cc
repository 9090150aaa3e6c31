#include "coordinator/text/answer_parser.h"

#include <utility>

#include "coordinator/text/bound_tool_calls.h"
#include "coordinator/text/tool_call_layout.h"

namespace switchyard::text {
namespace {

std::vector<int32_t> KeptTokens(const Tokenizer& tokenizer, const AnswerForm& form) {
  std::vector<int32_t> kept;
  if (form.reasoning) kept = {form.reasoning->begin, form.reasoning->end};
  if (!form.tools) return kept;
  for (const std::string_view mark : ToolMarks(*form.tools)) {
    if (const std::optional<int32_t> id = tokenizer.TokenToId(mark)) kept.push_back(*id);
  }
  return kept;
}

std::unique_ptr<AnswerReader> MakeReader(const Tokenizer& tokenizer, const AnswerForm& form) {
  Detokenizer detokenizer(tokenizer, form.skip_special, KeptTokens(tokenizer, form));
  if (form.harmony) {
    return std::make_unique<HarmonyParser>(std::move(detokenizer), *form.harmony, form.tool_names);
  }
  return std::make_unique<ReasoningParser>(std::move(detokenizer), form.reasoning,
                                           form.reasoning_opened);
}

std::unique_ptr<ToolCallParser> MakeParser(const AnswerForm& form) {
  if (!form.tools || form.harmony) return nullptr;
  if (form.calls_are_bound) {
    return std::make_unique<BoundToolCalls>(LayoutOf(*form.tools), form.calls_are_demanded);
  }
  return MakeToolCallParser(*form.tools, form.tool_names);
}

}  // namespace

absl::StatusOr<AnswerParser> AnswerParser::Create(const Tokenizer& tokenizer, AnswerForm form) {
  SY_ASSIGN_OR_RETURN(StopMatcher stop, StopMatcher::Create(std::move(form.stop)));
  return AnswerParser(MakeReader(tokenizer, form), std::move(stop), form);
}

AnswerParser::AnswerParser(std::unique_ptr<AnswerReader> reader, StopMatcher stop,
                           const AnswerForm& form)
    : reader_(std::move(reader)),
      reasoning_stop_(stop),
      content_stop_(std::move(stop)),
      tools_(MakeParser(form)),
      min_tokens_(form.min_tokens),
      include_stop_(form.include_stop),
      include_reasoning_(form.include_reasoning),
      one_call_ends_(!form.parallel_tool_calls && !form.calls_are_bound) {}

AnswerPiece AnswerParser::Push(int32_t id) {
  AnswerPiece piece;
  if (ended_) return piece;
  ++num_tokens_;
  const bool was_inside = reader_->inside();
  AnswerPiece parts = reader_->Push(id);
  AddReasoning(Cut(reasoning_stop_, parts.reasoning), &piece);
  if (was_inside && !reader_->inside() && !ended_) {
    AddReasoning(reasoning_stop_.Flush(), &piece);
  }
  if (!ended_) AddContent(parts.content, &piece);
  AddCalls(std::move(parts.calls), &piece);
  return piece;
}

AnswerPiece AnswerParser::Flush() {
  AnswerPiece piece;
  if (ended_) return piece;
  AnswerPiece parts = reader_->Flush();
  AddReasoning(Cut(reasoning_stop_, parts.reasoning), &piece);
  if (!ended_) AddReasoning(reasoning_stop_.Flush(), &piece);
  if (!ended_) AddContent(parts.content, &piece);
  if (ended_) return piece;
  const std::string rest = content_stop_.Flush();
  if (tools_ == nullptr) {
    piece.content += rest;
    AddCalls(std::move(parts.calls), &piece);
    return piece;
  }
  AddParsed(tools_->Push(rest), &piece);
  if (!ended_) AddParsed(tools_->Flush(), &piece);
  return piece;
}

const std::optional<std::string>& AnswerParser::stopped_by() const {
  return reasoning_stop_.stopped_by() ? reasoning_stop_.stopped_by() : content_stop_.stopped_by();
}

std::string AnswerParser::Cut(StopMatcher& stop, std::string_view text) const {
  return stop.Push(text, /*may_stop=*/num_tokens_ >= min_tokens_);
}

void AnswerParser::AddReasoning(std::string text, AnswerPiece* piece) {
  const bool stops = reasoning_stop_.stopped_by().has_value();
  if (stops && include_stop_) text += *reasoning_stop_.stopped_by();
  if (include_reasoning_) piece->reasoning += text;
  if (stops) ended_ = true;
}

void AnswerParser::AddContent(std::string_view text, AnswerPiece* piece) {
  std::string passed = Cut(content_stop_, text);
  if (content_stop_.stopped_by() && include_stop_) passed += *content_stop_.stopped_by();
  if (tools_ == nullptr) {
    piece->content += passed;
  } else {
    AddParsed(tools_->Push(passed), piece);
  }
  if (!content_stop_.stopped_by() || ended_) return;
  ended_ = true;
  if (tools_ != nullptr) AddParsed(tools_->Flush(), piece);  // what stands before the stop text
}

void AnswerParser::AddCalls(std::vector<ToolCall> calls, AnswerPiece* piece) {
  if (ended_ || calls.empty()) return;
  piece->content +=
      content_stop_.Flush();  // what may have begun a stop text stands before the call
  AddParsed({.content = "", .calls = std::move(calls)}, piece);
}

void AnswerParser::AddParsed(ToolCallParser::Piece parsed, AnswerPiece* piece) {
  const size_t num_before = piece->content.size();
  piece->content += parsed.content;
  for (ToolCall& call : parsed.calls) {
    if (call.text_before != std::string::npos) call.text_before += num_before;
    if (!call.name.empty()) ++num_calls_;
    piece->calls.push_back(std::move(call));
    if (!one_call_ends_) continue;
    ended_ = true;
    return;
  }
}

}  // namespace switchyard::text
