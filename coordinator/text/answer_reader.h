// Parts an answer's tokens, as its family writes them: tokens in; thoughts, content and calls out.
#ifndef SWITCHYARD_COORDINATOR_TEXT_ANSWER_READER_H_
#define SWITCHYARD_COORDINATOR_TEXT_ANSWER_READER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/text/tool_call_parser.h"

namespace switchyard::text {

struct AnswerPiece {
  std::string reasoning;  // whole UTF-8, as content
  std::string content;
  std::vector<ToolCall> calls;

  bool empty() const { return reasoning.empty() && content.empty() && calls.empty(); }
};

// Owned by one answer, used by one thread at a time. What comes out, joined, does not depend on how
// the text was cut into tokens.
class AnswerReader {
 public:
  virtual ~AnswerReader() = default;

  // What token `id` completes.
  virtual AnswerPiece Push(int32_t id) = 0;
  // The rest at the end of the answer.
  virtual AnswerPiece Flush() = 0;

  // The next token belongs to the thoughts.
  virtual bool inside() const = 0;
  // Tokens of the thoughts so far, with their marks.
  virtual int32_t num_reasoning_tokens() const = 0;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_ANSWER_READER_H_
