// The rules of a grammar, and the one automaton that they become.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_RULE_BOOK_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_RULE_BOOK_H_

#include <cstdint>
#include <functional>
#include <optional>
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

  // Finds which of the rules have a text, or would have one if `assumed` had: all of them must have
  // their bodies. INVALID_ARGUMENT when the budget is spent.
  absl::Status FindPossible(std::optional<uint32_t> assumed = std::nullopt);
  bool is_possible(uint32_t rule) const { return rules_[rule].is_possible; }

  // The automaton of the texts of `start`. What can never be finished is left out, and so is what
  // `start` does not reach. Every call in it takes a byte at least: what may be empty is called
  // without its empty text or passed over, so that it may be repeated like any other. Used once.
  // INVALID_ARGUMENT when `start` has no text, when a rule begins with itself (naming it), or when
  // a limit is passed.
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
  RuleGraph FindBegins() const;
  absl::Status CheckLeftRecursion() const;
  bool IsPossible(const Call& call) const { return call.min == 0 || rules_[call.rule].is_possible; }
  bool MayBeEmpty(const Call& call) const {
    return call.min == 0 || rules_[call.rule].may_be_empty;
  }
  bool ReachesEnd(const Dfa& dfa, bool by_empty_calls_only) const;
  // Puts `replace` in the place of the calls of all rules that `is_meant`.
  absl::Status ReplaceCalls(
      const std::function<bool(const Call&)>& is_meant,
      const std::function<void(Nfa&, uint32_t, const Nfa::CallEdge&)>& replace);
  absl::Status DropEmpty();
  absl::Status DropImpossible();

  Budget& budget_;
  std::vector<Rule> rules_;
};

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_RULE_BOOK_H_
