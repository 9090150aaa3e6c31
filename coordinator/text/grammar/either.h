// One grammar of two: a text has the form of the one or of the other.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_EITHER_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_EITHER_H_

#include "coordinator/text/grammar/budget.h"
#include "proto/grammar.pb.h"

namespace switchyard::text::grammar {

// Of two grammars as this folder compiles them. INVALID_ARGUMENT if they have too many states
// together.
absl::StatusOr<v1::Grammar> Either(const v1::Grammar& a, const v1::Grammar& b,
                                   const GrammarLimits& limits = {});

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_EITHER_H_
