// Answers of gpt-oss: messages, each in a channel (MODEL_SPECS 9.3).
//
//   <|channel|>analysis<|message|> thoughts <|end|>
//   <|start|>assistant<|channel|>commentary to=functions.NAME
//   <|constrain|>json<|message|>{...}<|call|>
//   <|start|>assistant<|channel|>final<|message|> content <|return|>
//
// The prompt ends behind the first `<|start|>assistant`. Who a message is for may stand before or
// behind the channel. Commentary for nobody is content: what a model says before it calls.
#ifndef SWITCHYARD_COORDINATOR_TEXT_HARMONY_PARSER_H_
#define SWITCHYARD_COORDINATOR_TEXT_HARMONY_PARSER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/text/answer_reader.h"
#include "coordinator/text/detokenizer.h"
#include "coordinator/text/tokenizer.h"

namespace switchyard::text {

// The tokens that make messages.
struct HarmonyMarks {
  int32_t start = 0;
  int32_t channel = 0;
  int32_t constrain = 0;
  int32_t message = 0;
  int32_t end = 0;
  int32_t call = 0;
  int32_t last = 0;  // <|return|>

  bool Has(int32_t id) const;
};

// None for a model that does not write so: all marks must be special tokens of it, and its chat
// template must speak of channels.
std::optional<HarmonyMarks> FindHarmonyMarks(const Tokenizer& tokenizer,
                                             std::string_view template_source);

// The head of a message in a channel, as models write it: a prompt ends with that of the final one
// where the answer is held to a form of its own, and that of the analysis begins thoughts.
absl::StatusOr<std::vector<int32_t>> ChannelHead(const Tokenizer& tokenizer,
                                                 const HarmonyMarks& marks,
                                                 std::string_view channel);
inline constexpr std::string_view kFinalChannel = "final";
inline constexpr std::string_view kThoughtsChannel = "analysis";

// Whether `prompt` ends within a message of that head.
bool EndsWithinMessage(std::span<const int32_t> prompt, const HarmonyMarks& marks,
                       std::span<const int32_t> head);

// A call comes out whole, at its message's end, if its arguments are a JSON object and its tool was
// offered; else its message is content. Messages of one kind are joined by a line break. What does
// not come in messages is content.
class HarmonyParser final : public AnswerReader {
 public:
  // `tool_names` are the tools that the request offers.
  HarmonyParser(Detokenizer detokenizer, const HarmonyMarks& marks,
                std::vector<std::string> tool_names);

  AnswerPiece Push(int32_t id) override;
  AnswerPiece Flush() override;
  bool inside() const override { return state_ == State::kThoughts; }
  int32_t num_reasoning_tokens() const override { return num_reasoning_tokens_; }

 private:
  enum class State {
    kHead,  // between <|start|>, or the prompt, and <|message|>
    kThoughts,
    kContent,
    kCall,
    kBetween,  // messages
  };

  void Mark(int32_t id, AnswerPiece* piece);
  void Text(std::string_view text, AnswerPiece* piece);
  void EndMessage(AnswerPiece* piece);
  // The head is whole: what kind of message begins.
  void BeginMessage();
  // What looked like a head is none.
  void HeadIsText(AnswerPiece* piece);

  const HarmonyMarks marks_;
  const std::vector<std::string> tool_names_;
  Detokenizer detokenizer_;
  State state_ = State::kHead;
  std::string head_;        // its text; a blank for each mark in it
  std::string channel_;     // of head_, what stands behind the mark
  bool is_marked_ = false;  // some mark has come: what is cut in a head is no text
  bool in_channel_ = false;
  std::string tool_;                                 // of a call
  std::string call_;                                 // its arguments so far
  bool has_thoughts_ = false, has_content_ = false;  // of messages before
  bool begins_ = false;                              // nothing of the message has come
  int32_t num_head_tokens_ = 0;
  int32_t num_reasoning_tokens_ = 0;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_HARMONY_PARSER_H_
