// A tokenizer of bytes with the marks of thoughts and tool calls, and answers read through it.
#ifndef SWITCHYARD_TESTS_COORDINATOR_TEXT_ANSWER_TESTING_H_
#define SWITCHYARD_TESTS_COORDINATOR_TEXT_ANSWER_TESTING_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/text/answer_parser.h"
#include "tests/coordinator/text/tokenizer_testing.h"

namespace switchyard::text {

inline constexpr ReasoningMarks kMarks = {.begin = 302, .end = 303};

// Ids 302 and 303 are <think> and </think>; 304 is special, the mark of Llama's calls; 305 is text
// with line breaks.
inline const Tokenizer& AnswerTokenizer() {
  static const Tokenizer* const kTokenizer = [] {
    Json json = SmallTokenizerJson();
    const auto add = [&](int id, const char* content, bool special) {
      json["added_tokens"].push_back(
          {{"id", id}, {"content", content}, {"special", special}, {"normalized", false}});
    };
    add(302, "<think>", false);
    add(303, "</think>", false);
    add(304, "<|python_tag|>", true);
    add(305, ".\n\n", false);
    return MakeTokenizer(json).value().release();
  }();
  return *kTokenizer;
}

// The ids of `text`, marks and all.
inline std::vector<int32_t> AnswerIds(std::string_view text) {
  return Ids(AnswerTokenizer(), text, {.parse_special = true});
}

struct ReadAnswer {
  std::string reasoning;
  std::string content;
  std::vector<std::string> calls;  // "name arguments"
  int32_t num_reasoning_tokens = 0;
  bool ended = false;
};

// The whole of an answer, token by token.
inline ReadAnswer Read(const Tokenizer& tokenizer, const std::vector<int32_t>& ids,
                       AnswerForm form) {
  auto parser = AnswerParser::Create(tokenizer, std::move(form)).value();
  ReadAnswer answer;
  const auto add = [&](AnswerPiece piece) {
    EXPECT_TRUE(IsValidUtf8(piece.reasoning) && IsValidUtf8(piece.content));
    answer.reasoning += piece.reasoning;
    answer.content += piece.content;
    for (const ToolCall& call : piece.calls) {
      answer.calls.push_back(call.name + " " + call.arguments);
    }
  };
  for (const int32_t id : ids) add(parser.Push(id));
  add(parser.Flush());
  answer.num_reasoning_tokens = parser.num_reasoning_tokens();
  answer.ended = parser.ended();
  return answer;
}

inline ReadAnswer Read(const std::vector<int32_t>& ids, AnswerForm form) {
  return Read(AnswerTokenizer(), ids, std::move(form));
}

inline ReadAnswer Read(std::string_view text, AnswerForm form) {
  return Read(AnswerIds(text), std::move(form));
}

}  // namespace switchyard::text

#endif  // SWITCHYARD_TESTS_COORDINATOR_TEXT_ANSWER_TESTING_H_
