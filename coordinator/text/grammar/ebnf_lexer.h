// The words of a grammar's text.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_EBNF_LEXER_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_EBNF_LEXER_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace switchyard::text::grammar {

enum class EbnfDialect { kGbnf, kLark };

struct EbnfToken {
  enum class Kind {
    kName,    // also %import and the like
    kString,  // its text, without escapes; UTF-8
    kRegex,   // /.../ or [...] as the regex parser reads it
    kNumber,
    kMark,     // one of the punctuation marks
    kEndLine,  // between rules, where a line may end one
    kEnd,
  };
  Kind kind = Kind::kEnd;
  std::string text;
  bool any_case = false;           // an i behind a string or regex
  bool dot_takes_newline = false;  // an s behind a regex
  int line = 0;
};

// The form of the first rule.
EbnfDialect FindDialect(std::string_view source);

// The words, and kEnd. INVALID_ARGUMENT naming the line of what is no word.
absl::StatusOr<std::vector<EbnfToken>> ReadEbnfTokens(std::string_view source, EbnfDialect dialect);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_EBNF_LEXER_H_
