// One answer's tokens to what a client gets: thoughts, content, tool calls.
//
//   token -> Detokenizer -> AnswerReader -> StopMatcher -> ToolCallParser
#ifndef SWITCHYARD_COORDINATOR_TEXT_ANSWER_PARSER_H_
#define SWITCHYARD_COORDINATOR_TEXT_ANSWER_PARSER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "coordinator/text/answer_reader.h"
#include "coordinator/text/detokenizer.h"
#include "coordinator/text/harmony_parser.h"
#include "coordinator/text/reasoning_parser.h"
#include "coordinator/text/stop_matcher.h"
#include "coordinator/text/tool_call_parser.h"

namespace switchyard::text {

// How a request wants its answers read. The default: text up to a stop text, as it comes.
struct AnswerForm {
  std::vector<std::string> stop;
  bool include_stop = false;  // the stop text that ends the answer is part of it
  int32_t min_tokens = 0;     // a stop text counts that is whole from this token on, from 1
  bool skip_special = true;   // false: special tokens are text; those that end the answer never are
  std::optional<ReasoningMarks> reasoning;  // none: all is content
  bool reasoning_opened = false;            // the prompt ends inside thoughts
  std::optional<HarmonyMarks> harmony;      // answers come in channels, calls too
  bool include_reasoning = true;            // false: thoughts are read and dropped
  std::optional<ToolFormat> tools;          // none: calls are content
  std::vector<std::string> tool_names;
  bool parallel_tool_calls = true;  // false: the first call ends the answer
  bool calls_are_bound = false;     // a grammar holds calls to the form's layout
  bool calls_are_demanded = false;  // and the answer to calls
};

// Owned by one answer, used by one thread at a time. What comes out, joined, depends on the tokens
// alone. Stop texts hold for thoughts and content alike, each by itself: none matches across the
// mark between them.
class AnswerParser {
 public:
  // INVALID_ARGUMENT as of StopMatcher::Create. `tokenizer` outlives the parser.
  static absl::StatusOr<AnswerParser> Create(const Tokenizer& tokenizer, AnswerForm form);

  // What token `id` decides. Nothing once ended.
  AnswerPiece Push(int32_t id);
  // The rest at the end of an answer that has not ended here.
  AnswerPiece Flush();

  // A stop text came, or the one call that was wanted: the answer is over whatever follows.
  bool ended() const { return ended_; }
  // The stop text that ended it, if one did.
  const std::optional<std::string>& stopped_by() const;
  int32_t num_reasoning_tokens() const { return reader_->num_reasoning_tokens(); }
  int num_calls() const { return num_calls_; }

 private:
  AnswerParser(std::unique_ptr<AnswerReader> reader, StopMatcher stop, const AnswerForm& form);

  // What passes `stop` of a text.
  std::string Cut(StopMatcher& stop, std::string_view text) const;
  void AddReasoning(std::string text, AnswerPiece* piece);
  void AddContent(std::string_view text, AnswerPiece* piece);
  // Calls that the reader has found.
  void AddCalls(std::vector<ToolCall> calls, AnswerPiece* piece);
  void AddParsed(ToolCallParser::Piece parsed, AnswerPiece* piece);

  std::unique_ptr<AnswerReader> reader_;
  StopMatcher reasoning_stop_;
  StopMatcher content_stop_;
  std::unique_ptr<ToolCallParser> tools_;  // null: no calls are looked for
  const int32_t min_tokens_;
  int32_t num_tokens_ = 0;
  bool include_stop_;
  bool include_reasoning_;
  bool one_call_ends_;
  bool ended_ = false;
  int num_calls_ = 0;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_ANSWER_PARSER_H_
