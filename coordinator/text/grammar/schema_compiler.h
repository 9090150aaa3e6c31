// From a schema that was read to rules: one rule for each set of schemas that must hold together.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_SCHEMA_COMPILER_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_SCHEMA_COMPILER_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "coordinator/text/grammar/json_rules.h"
#include "coordinator/text/grammar/schema.h"

namespace switchyard::text::grammar {

// Schemas that must all hold, in the order in which they were met. The empty one is any value.
using SchemaSet = std::vector<SchemaId>;

// Used once. What the rules write always satisfies the schema; they write less than a schema allows
// in these points: members stand in the order in which the schema names them, those that it does
// not name last; text under `pattern`, `format`, `enum` and `const`, and names of members, are
// escaped only where JSON demands it; numbers as in json_rules.h and decimal.h; members of equal
// name count once for `minProperties`.
class SchemaCompiler {
 public:
  // `nodes` must outlive it.
  SchemaCompiler(std::span<const SchemaNode> nodes, JsonSpacing spacing, RuleBook& book)
      : nodes_(nodes), book_(book), json_(book, spacing) {}

  // INVALID_ARGUMENT naming the schema when it asks for what cannot be compiled or satisfied.
  absl::StatusOr<v1::Grammar> Compile();
  // The rule of the schema's values, with all that it calls.
  absl::StatusOr<uint32_t> AddRules();

  // For the parts below: the rule of a set, whose body comes later.
  absl::StatusOr<uint32_t> RuleOf(const SchemaSet& schemas);
  const SchemaNode& node(SchemaId id) const { return nodes_[id]; }
  JsonRules& json() { return json_; }
  RuleBook& book() { return book_; }
  Budget& budget() { return book_.budget(); }

 private:
  // `schemas` without what says nothing.
  SchemaSet Simplify(const SchemaSet& schemas) const;
  absl::Status FillRule(uint32_t rule, const SchemaSet& schemas);
  // One set for each way to choose from anyOf and oneOf; those in it hold by their own words alone.
  absl::StatusOr<std::vector<SchemaSet>> Expand(const SchemaSet& schemas);
  absl::Status CompareAlternatives(SchemaId id);
  absl::Status CheckAlternatives();
  absl::Status AddBranch(const SchemaSet& branch, Nfa& nfa);
  absl::Status AddValues(const SchemaSet& branch, Nfa& nfa);
  absl::Status AddNumbers(const SchemaSet& branch, uint8_t types, Nfa& nfa);
  absl::StatusOr<Dfa> TextsOf(std::span<const StringPattern* const> patterns, uint32_t min,
                              uint32_t max);
  absl::Status AddStrings(const SchemaSet& branch, Nfa& nfa);
  absl::Status AddArrays(const SchemaSet& branch, Nfa& nfa);
  absl::Status AddItems(const SchemaSet& branch, uint32_t min, uint32_t max, Nfa& nfa);
  SchemaSet ItemAt(const SchemaSet& branch, size_t i) const;

  struct Pending {
    uint32_t rule = 0;
    SchemaSet schemas;
  };
  // Two alternatives of a oneOf; `rule` holds where both do.
  struct Pair {
    uint32_t rule = 0;
    SchemaId of = 0;
    size_t first = 0;
    size_t second = 0;
  };

  std::span<const SchemaNode> nodes_;
  RuleBook& book_;
  JsonRules json_;
  std::map<SchemaSet, uint32_t> rules_;
  std::vector<Pending> pending_;
  std::set<SchemaId> compared_;
  std::vector<Pair> pairs_;
  // Has no text: stands where a number would satisfy a schema and none that can be written. Two
  // alternatives may meet there, and one of them be written in another way.
  std::optional<uint32_t> unwritten_;
};

// Puts the objects of `branch` into `nfa`, from state 0; states where they end accept.
absl::Status AddObjects(const SchemaSet& branch, SchemaCompiler& compiler, Nfa& nfa);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_SCHEMA_COMPILER_H_
