// An expression as the body of a rule, or a part of one, in which workers count.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_COUNTED_BODY_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_COUNTED_BODY_H_

#include "coordinator/text/grammar/expr.h"
#include "coordinator/text/grammar/rule_book.h"

namespace switchyard::text::grammar {

// A long repeat of single characters ([a-z]{1,200}, .{800,1200}) is one state that counts, where it
// is clear at each byte whether the repeat goes on: its masks are found once, and not for each
// count again. Else repeats are written out. INVALID_ARGUMENT when the budget is spent. REQUIRES:
// no anchors.
absl::StatusOr<Dfa> CountedBody(const Expr& expr, Encoding encoding, RuleBook& book);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_COUNTED_BODY_H_
