// The body of one rule as a deterministic automaton (over bytes; calls stand beside them), and what
// can be done with two of them.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_DFA_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_DFA_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "coordinator/text/grammar/nfa.h"

namespace switchyard::text::grammar {

// Starts in state 0. Every other state can be reached, and every state but 0 leads to one that
// accepts.
struct Dfa {
  struct State {
    std::vector<Nfa::Edge> edges;  // their sets are disjoint, their targets differ
    std::vector<Nfa::CallEdge> calls;
    bool accepts = false;
  };
  std::vector<State> states;

  // No text at all. Calls count as possible.
  bool is_empty() const;
  bool has_calls() const;
  // Accepts `text`. REQUIRES: no calls.
  bool Matches(std::string_view text) const;
};

// INVALID_ARGUMENT when the budget is spent; so all of these.
absl::StatusOr<Dfa> Determinize(const Nfa& nfa, Budget& budget);

// The texts of `a` that `b` has too, or has not. REQUIRES: no calls in either.
absl::StatusOr<Dfa> Intersect(const Dfa& a, const Dfa& b, Budget& budget);
absl::StatusOr<Dfa> Subtract(const Dfa& a, const Dfa& b, Budget& budget);

// Puts a copy of `dfa` into `nfa`, from `from` to the state returned.
uint32_t AddDfa(const Dfa& dfa, uint32_t from, Nfa& nfa);

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_DFA_H_
