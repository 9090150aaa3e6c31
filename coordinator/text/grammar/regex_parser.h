// Regular expressions as text: what ECMAScript, RE2 and Python's re have in common.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_REGEX_PARSER_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_REGEX_PARSER_H_

#include <string_view>

#include "coordinator/text/grammar/expr.h"

namespace switchyard::text::grammar {

struct RegexOptions {
  bool any_case = false;
  bool dot_takes_newline = false;
};

// Characters, escapes (\d \D \w \W \s \S \n \r \t \f \v \0 \xHH \uHHHH \u{H...} and escaped
// punctuation), `.` (no line end), sets with ranges, groups ((...), (?:...), (?<name>...)),
// alternatives, * + ? {n} {n,} {n,m} (a ? after them changes nothing here: which texts match is the
// same), ^ and $. \d, \w and \s are those of ECMAScript: \s has the Unicode spaces.
//
// INVALID_ARGUMENT naming byte and reason for anything else: look-around, back references, word
// boundaries, classes by name (\p{...}, [:alpha:]), octal digits (\0 before a digit), possessive
// repetition and flags among it; and when the budget is spent.
absl::StatusOr<ExprPtr> ParseRegex(std::string_view pattern, Budget& budget,
                                   const RegexOptions& options = {});

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_REGEX_PARSER_H_
