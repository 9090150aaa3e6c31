// Splits the source of a chat template into literal text and the tokens of its tags.
//
// White space around tags is settled here, as transformers sets Jinja up: trim_blocks (one newline
// after a block tag goes), lstrip_blocks (blanks before a block tag that starts its line go), and
// the signs - and + on either side of a tag.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_LEXER_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_LEXER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace switchyard::text::jinja {

struct Token {
  enum class Kind {
    kText,         // between tags; `text` as it is to be written
    kBlockBegin,   // {%
    kBlockEnd,     // %}
    kOutputBegin,  // {{
    kOutputEnd,    // }}
    kName,
    kString,  // `text` is the value
    kInteger,
    kFloat,
    kOperator,  // `text` is its spelling
    kEnd,       // of the source; always the last token, and only there
  };
  Kind kind;
  std::string text;
  int line = 0;
  int64_t integer = 0;
  double real = 0;

  bool Is(Kind wanted, std::string_view spelling) const {
    return kind == wanted && text == spelling;
  }
  bool IsOperator(std::string_view spelling) const { return Is(Kind::kOperator, spelling); }
  bool IsName(std::string_view spelling) const { return Is(Kind::kName, spelling); }
};

// INVALID_ARGUMENT, with the line, for what is no template: an open tag, string or comment, a
// character of no token.
absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source);

// INVALID_ARGUMENT: "chat template, line 3: ...".
absl::Status SyntaxError(int line, std::string_view message);

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_LEXER_H_
