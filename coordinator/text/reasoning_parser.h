// Parts what a model thinks from what it answers: tokens in, two texts out.
//
// A model that thinks writes `<think>`, its thoughts, `</think>`, and then the answer; some
// templates write the first mark themselves, at the prompt's end. Both marks are tokens, and only
// as tokens do they count: letters that spell one are text.
#ifndef SWITCHYARD_COORDINATOR_TEXT_REASONING_PARSER_H_
#define SWITCHYARD_COORDINATOR_TEXT_REASONING_PARSER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "coordinator/text/answer_reader.h"
#include "coordinator/text/chat_template_file.h"
#include "coordinator/text/detokenizer.h"
#include "coordinator/text/tokenizer.h"

namespace switchyard::text {

// The tokens around a model's thoughts.
struct ReasoningMarks {
  int32_t begin = 0;
  int32_t end = 0;
};

// None for a model that does not think: both marks must be tokens of it, and its chat template must
// speak of one. (Many tokenizers hold marks that their model was never trained on.)
std::optional<ReasoningMarks> FindReasoningMarks(const Tokenizer& tokenizer,
                                                 std::string_view template_source);

// How `prompt` ends: nothing but white space follows a begin mark (kOpened: inside thoughts), an
// end mark (kClosed: the model is told not to think), or something else.
enum class PromptThoughts { kNone, kOpened, kClosed };
PromptThoughts ThoughtsAtEnd(const Tokenizer& tokenizer, const ReasoningMarks& marks,
                             std::span<const int32_t> prompt);

// Whether the template leaves the begin mark to the model: it writes none where it is told to let
// the model think. False where it cannot be rendered.
bool LeavesBeginToModel(const Tokenizer& tokenizer, const ReasoningMarks& marks,
                        const ModelChatTemplate& chat_template);

// Owned by one answer, used by one thread at a time. What comes out, joined, does not depend on how
// the text was cut into tokens. Thoughts stand once, at the answer's beginning: marks later on are
// text. The marks go, and with them the line breaks beside them.
class ReasoningParser final : public AnswerReader {
 public:
  using Piece = AnswerPiece;

  // Without `marks` all is content. `opened`: the prompt ends inside thoughts.
  ReasoningParser(Detokenizer detokenizer, std::optional<ReasoningMarks> marks, bool opened);

  Piece Push(int32_t id) override;
  Piece Flush() override;
  bool inside() const override { return state_ == State::kInside; }
  int32_t num_reasoning_tokens() const override { return num_reasoning_tokens_; }

 private:
  enum class State { kBefore, kInside, kContent };

  void Enter(State state);
  void Add(std::string_view text, Piece* piece);

  Detokenizer detokenizer_;
  const std::optional<ReasoningMarks> marks_;
  State state_ = State::kContent;
  bool at_mark_ = false;  // nothing but line breaks since the last mark
  std::string held_;      // white space that a mark may follow
  int32_t num_reasoning_tokens_ = 0;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_REASONING_PARSER_H_
