// The rules of a grammar, and the one automaton that they become.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_RULE_BOOK_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_RULE_BOOK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "coordinator/text/grammar/dfa.h"
#include "proto/grammar.pb.h"

namespace switchyard::text::grammar {

// Rules are numbered from 0. A rule has no text until it is given its body.
class RuleBook {
 public:
  explicit RuleBook(Budget& budget) : budget_(budget) {}

  // `name` appears in messages. Once the budget is spent the number means nothing.
  uint32_t AddRule(std::string name);
  // INVALID_ARGUMENT when the budget is spent.
  absl::Status SetBody(uint32_t rule, const Nfa& nfa);
  absl::Status SetBody(uint32_t rule, Dfa dfa);

  Budget& budget() { return budget_; }

  // Finds which of the rules have a text: all of them must have their bodies. INVALID_ARGUMENT when
  // the budget is spent.
  absl::Status FindPossible();
  bool is_possible(uint32_t rule) const { return rules_[rule].is_possible; }

  // The automaton of the texts of `start`. What can never be finished is left out, and so is what
  // `start` does not reach. INVALID_ARGUMENT when `start` has no text, when a rule begins with
  // itself (naming it) or repeats something that may be empty, or when a limit is passed.
  absl::StatusOr<v1::Grammar> Compile(uint32_t start);

 private:
  struct Rule {
    std::string name;
    Dfa body;
    bool is_possible = false;  // has a text
    bool may_be_empty = false;
  };

  absl::Status FindEmpty();
  // By rule: other rules.
  using RuleGraph = std::vector<std::vector<uint32_t>>;
  absl::StatusOr<RuleGraph> FindBegins();
  absl::Status CheckLoops() const;
  absl::Status CheckLeftRecursion();
  bool IsPossible(const Call& call) const { return call.min == 0 || rules_[call.rule].is_possible; }
  bool MayBeEmpty(const Call& call) const {
    return call.min == 0 || rules_[call.rule].may_be_empty;
  }
  bool ReachesEnd(const Dfa& dfa, bool by_empty_calls_only) const;
  absl::Status DropImpossible();

  Budget& budget_;
  std::vector<Rule> rules_;
};

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_RULE_BOOK_H_
