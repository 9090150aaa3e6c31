// Grammars as text, in the two forms that users bring: GBNF (llama.cpp) and Lark.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_EBNF_PARSER_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_EBNF_PARSER_H_

#include <string_view>

#include "coordinator/text/grammar/rule_book.h"

namespace switchyard::text::grammar {

// Puts the rules of `source` into `book` and returns the first one: `root` in GBNF (name ::= ...),
// `start` in Lark (name: ...). A text has the form of its first rule.
//
// Both: rules that call each other in any way but to begin with themselves (a rule whose own
// alternatives begin with it is rewritten), literals "..." with escapes, alternatives |, groups
// (...), repetition * + ?, and comments (# in GBNF, // in Lark).
// GBNF: sets [...] as in regular expressions, the dot, {n} {n,} {n,m}.
// Lark: terminals in capitals are rules like others, "..."i for any case, "a".."z", /regex/ with
// the flags i and s, [...] for what may be left out, ~ n and ~ n..m, the marks ? and ! before a
// rule, priorities and -> names, which change nothing here. %import common.X for DIGIT, INT,
// SIGNED_INT, NUMBER, SIGNED_NUMBER, DECIMAL, FLOAT, LETTER, WORD, CNAME, ESCAPED_STRING, WS,
// WS_INLINE and NEWLINE. What stands between terminals is written by the grammar: %ignore is not
// supported.
//
// INVALID_ARGUMENT naming line and reason.
absl::StatusOr<uint32_t> ReadEbnf(std::string_view source, RuleBook& book);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_EBNF_PARSER_H_
