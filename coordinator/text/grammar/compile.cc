#include "coordinator/text/grammar/compile.h"

#include "coordinator/text/grammar/counted_body.h"
#include "coordinator/text/grammar/ebnf_parser.h"
#include "coordinator/text/grammar/regex_parser.h"
#include "coordinator/text/grammar/rule_book.h"
#include "coordinator/text/grammar/schema_compiler.h"
#include "coordinator/text/utf8.h"

namespace switchyard::text::grammar {
namespace {

absl::Status CheckSource(size_t num_bytes, const GrammarLimits& limits) {
  if (num_bytes <= limits.source_bytes_max) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("the grammar has {} bytes; {} are allowed", num_bytes, limits.source_bytes_max));
}

}  // namespace

absl::StatusOr<v1::Grammar> CompileRegex(std::string_view pattern, const GrammarLimits& limits) {
  SY_RETURN_IF_ERROR(CheckSource(pattern.size(), limits));
  Budget budget(limits);
  SY_ASSIGN_OR_RETURN(ExprPtr expr, ParseRegex(pattern, budget));
  SY_ASSIGN_OR_RETURN(expr, ExpandFullMatch(expr));
  RuleBook book(budget);
  const uint32_t rule = book.AddRule("the regex");
  SY_ASSIGN_OR_RETURN(Dfa body, CountedBody(*expr, Encoding::kPlain, book));
  SY_RETURN_IF_ERROR(book.SetBody(rule, std::move(body)));
  return book.Compile(rule);
}

absl::StatusOr<v1::Grammar> CompileEbnf(std::string_view source, const GrammarLimits& limits) {
  SY_RETURN_IF_ERROR(CheckSource(source.size(), limits));
  Budget budget(limits);
  RuleBook book(budget);
  SY_ASSIGN_OR_RETURN(const uint32_t rule, ReadEbnf(source, book));
  return book.Compile(rule);
}

absl::StatusOr<v1::Grammar> CompileChoice(const std::vector<std::string>& choices,
                                          const GrammarLimits& limits) {
  if (choices.empty()) return absl::InvalidArgumentError("there is no choice");
  size_t num_bytes = 0;
  for (const std::string& choice : choices) num_bytes += choice.size();
  SY_RETURN_IF_ERROR(CheckSource(num_bytes, limits));
  Budget budget(limits);
  RuleBook book(budget);
  const uint32_t rule = book.AddRule("the choice");
  Nfa nfa(budget);
  for (size_t i = 0; i < choices.size(); ++i) {
    if (choices[i].empty() || !IsValidUtf8(choices[i])) {
      return absl::InvalidArgumentError(fmt::format("choice {} is empty or not UTF-8", i));
    }
    nfa.Accept(nfa.AddText(0, choices[i]));
    SY_RETURN_IF_ERROR(budget.Check());
  }
  SY_RETURN_IF_ERROR(book.SetBody(rule, nfa));
  return book.Compile(rule);
}

absl::StatusOr<v1::Grammar> CompileJsonObject(JsonSpacing spacing, const GrammarLimits& limits) {
  Budget budget(limits);
  RuleBook book(budget);
  SY_ASSIGN_OR_RETURN(const uint32_t object, JsonRules(book, spacing).Object());
  return book.Compile(object);
}

absl::StatusOr<v1::Grammar> CompileJsonSchema(const Json& schema, JsonSpacing spacing,
                                              const GrammarLimits& limits) {
  SY_RETURN_IF_ERROR(CheckSource(schema.dump().size(), limits));
  Budget budget(limits);
  RuleBook book(budget);
  SY_ASSIGN_OR_RETURN(const std::vector<SchemaNode> nodes, ReadSchema(schema, budget));
  return SchemaCompiler(nodes, spacing, book).Compile();
}

}  // namespace switchyard::text::grammar
