// A regular expression, or the right side of a grammar's rule, as a tree.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_EXPR_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_EXPR_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

#include "coordinator/text/grammar/code_points.h"
#include "coordinator/text/grammar/nfa.h"

namespace switchyard::text::grammar {

struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;

struct Expr {
  enum class Kind {
    kCharacters,  // one of `characters`
    kSequence,    // `parts`, one after the other; the empty text if none
    kChoice,      // one of `parts`
    kRepeat,      // parts[0], `min` to `max` times
    kBegin,       // ^
    kEnd,         // $
    kRule,        // another rule
  };
  Kind kind = Kind::kSequence;
  CodePoints characters;
  std::vector<ExprPtr> parts;
  uint32_t min = 0;
  uint32_t max = 0;  // kNoLimit: any number
  uint32_t rule = 0;
};

ExprPtr MakeCharacters(CodePoints characters);
ExprPtr MakeSequence(std::vector<ExprPtr> parts);
ExprPtr MakeChoice(std::vector<ExprPtr> parts);
ExprPtr MakeRepeat(ExprPtr part, uint32_t min, uint32_t max);
ExprPtr MakeAnchor(Expr::Kind kind);
ExprPtr MakeRule(uint32_t rule);
// REQUIRES: valid UTF-8.
ExprPtr MakeText(std::string_view text, bool any_case = false);

// The whole texts that a search for `expr` finds something in: anything around it, except where
// its anchors are. INVALID_ARGUMENT for an anchor that is not at the beginning or end.
absl::StatusOr<ExprPtr> ExpandSearch(const ExprPtr& expr);
// The texts that match `expr` from beginning to end: anchors there mean nothing more.
absl::StatusOr<ExprPtr> ExpandFullMatch(const ExprPtr& expr);

// The texts of `expr` with `min` to `max` characters (kNoLimit: any number). Null where that cannot
// be said by the counts of one repeat. REQUIRES: no anchors, no rules.
ExprPtr WithLength(const ExprPtr& expr, uint32_t min, uint32_t max);

// The rule of one character of a set.
using RuleOfCharacters = std::function<uint32_t(const CodePoints&)>;

// Puts `expr` into `nfa`, from `from` to the state returned. Repeats are written out, but long ones
// of single characters are calls where `counted` gives their rule. REQUIRES: no anchors.
uint32_t AddExpr(const Expr& expr, Encoding encoding, uint32_t from, Nfa& nfa,
                 const RuleOfCharacters& counted = nullptr);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_EXPR_H_
