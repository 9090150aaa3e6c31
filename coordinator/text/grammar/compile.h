// From what a request asks for to the automaton that workers run: the door of this folder.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_COMPILE_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_COMPILE_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "coordinator/text/grammar/budget.h"
#include "coordinator/text/grammar/json_rules.h"
#include "proto/grammar.pb.h"

namespace switchyard::text::grammar {

// All of these are pure functions for any thread; none takes longer than its limits allow.
// INVALID_ARGUMENT says what is wrong or not supported, and where.

// The whole text matches `pattern` (regex_parser.h says what is supported).
absl::StatusOr<v1::Grammar> CompileRegex(std::string_view pattern,
                                         const GrammarLimits& limits = {});

// The text has the form of a GBNF or Lark grammar's first rule (ebnf_parser.h).
absl::StatusOr<v1::Grammar> CompileEbnf(std::string_view source, const GrammarLimits& limits = {});

// The text is one of `choices`, none of them empty.
absl::StatusOr<v1::Grammar> CompileChoice(const std::vector<std::string>& choices,
                                          const GrammarLimits& limits = {});

// The text is a JSON object of any content (JSON mode).
absl::StatusOr<v1::Grammar> CompileJsonObject(JsonSpacing spacing = JsonSpacing::kCompact,
                                              const GrammarLimits& limits = {});

// The text is JSON that satisfies `schema` (schema.h says which words there are, schema_compiler.h
// where less is written than a schema allows).
absl::StatusOr<v1::Grammar> CompileJsonSchema(const Json& schema,
                                              JsonSpacing spacing = JsonSpacing::kCompact,
                                              const GrammarLimits& limits = {});

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_COMPILE_H_
