#include "coordinator/text/grammar/rule_book.h"

#include <algorithm>
#include <utility>

#include "coordinator/text/grammar/automaton_writer.h"

namespace switchyard::text::grammar {

uint32_t RuleBook::AddRule(std::string name) {
  if (!budget_.Spend(16)) return 0;
  rules_.push_back({.name = std::move(name), .body = {.states = {{}}}});
  return static_cast<uint32_t>(rules_.size() - 1);
}

absl::Status RuleBook::SetBody(uint32_t rule, const Nfa& nfa) {
  SY_ASSIGN_OR_RETURN(Dfa dfa, Determinize(nfa, budget_));
  return SetBody(rule, std::move(dfa));
}

absl::Status RuleBook::SetBody(uint32_t rule, Dfa dfa) {
  SY_RETURN_IF_ERROR(budget_.Check());
  rules_[rule].body = std::move(dfa);
  return absl::OkStatus();
}

// Whether a way leads from the first state to one that accepts, over calls that are possible and
// bytes, or over calls that may be empty.
bool RuleBook::ReachesEnd(const Dfa& dfa, bool by_empty_calls_only) const {
  std::vector<bool> seen(dfa.states.size());
  std::vector<uint32_t> open = {0};
  seen[0] = true;
  const auto reach = [&](uint32_t state) {
    if (!seen[state]) open.push_back(state);
    seen[state] = true;
  };
  while (!open.empty()) {
    const Dfa::State& state = dfa.states[open.back()];
    open.pop_back();
    if (state.accepts) return true;
    if (!budget_.Spend(1 + state.edges.size() + state.calls.size())) return false;
    for (const Nfa::Edge& edge : state.edges) {
      if (!by_empty_calls_only) reach(edge.target);
    }
    for (const Nfa::CallEdge& edge : state.calls) {
      if (by_empty_calls_only ? MayBeEmpty(edge.call) : IsPossible(edge.call)) reach(edge.target);
    }
  }
  return false;
}

absl::Status RuleBook::FindPossible() {
  for (bool has_changed = true; has_changed;) {
    has_changed = false;
    // Rules are mostly added before those that they call.
    for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
      if (rule->is_possible || !ReachesEnd(rule->body, false)) continue;
      rule->is_possible = has_changed = true;
    }
    SY_RETURN_IF_ERROR(budget_.Check());
  }
  return absl::OkStatus();
}

absl::Status RuleBook::FindEmpty() {
  for (bool has_changed = true; has_changed;) {
    has_changed = false;
    for (auto rule = rules_.rbegin(); rule != rules_.rend(); ++rule) {
      if (rule->may_be_empty || !ReachesEnd(rule->body, true)) continue;
      rule->may_be_empty = has_changed = true;
    }
    SY_RETURN_IF_ERROR(budget_.Check());
  }
  return absl::OkStatus();
}

// Takes out calls that can never be finished. Those that may be repeated no times at all go to a
// rule that is the empty text.
absl::Status RuleBook::DropImpossible() {
  const uint32_t nothing = AddRule("nothing");
  SY_RETURN_IF_ERROR(budget_.Check());
  rules_[nothing].body.states[0].accepts = true;
  rules_[nothing].is_possible = rules_[nothing].may_be_empty = true;
  for (Rule& rule : rules_) {
    Nfa nfa(budget_);
    while (nfa.states().size() < rule.body.states.size() && !budget_.is_spent()) nfa.AddState();
    SY_RETURN_IF_ERROR(budget_.Check());
    bool has_changed = false;
    for (uint32_t s = 0; s < rule.body.states.size(); ++s) {
      const Dfa::State& state = rule.body.states[s];
      if (state.accepts) nfa.Accept(s);
      for (const Nfa::Edge& edge : state.edges) nfa.AddBytes(s, edge.bytes, edge.target);
      for (const Nfa::CallEdge& edge : state.calls) {
        const bool is_possible = rules_[edge.call.rule].is_possible;
        has_changed |= !is_possible;
        if (is_possible) {
          nfa.AddJump(nfa.AddCall(s, edge.call), edge.target);
        } else if (edge.call.min == 0) {
          nfa.AddJump(s, edge.target);
        }
      }
    }
    if (!has_changed) continue;
    SY_ASSIGN_OR_RETURN(rule.body, Determinize(nfa, budget_));
  }
  return absl::OkStatus();
}

// For each rule those that it may begin with: called where nothing before them takes a byte.
absl::StatusOr<RuleBook::RuleGraph> RuleBook::FindBegins() {
  RuleGraph begins(rules_.size());
  for (size_t r = 0; r < rules_.size(); ++r) {
    const Dfa& body = rules_[r].body;
    std::vector<bool> seen(body.states.size());
    std::vector<uint32_t> open = {0};
    while (!open.empty()) {
      const uint32_t s = open.back();
      open.pop_back();
      if (seen[s]) continue;
      seen[s] = true;
      for (const Nfa::CallEdge& edge : body.states[s].calls) {
        begins[r].push_back(edge.call.rule);
        if (MayBeEmpty(edge.call)) open.push_back(edge.target);
      }
    }
    if (!budget_.Spend(body.states.size() + begins[r].size())) return budget_.Check();
  }
  return begins;
}

absl::Status RuleBook::CheckLoops() const {
  for (const Rule& rule : rules_) {
    for (const Dfa::State& state : rule.body.states) {
      for (const auto& [call, target] : state.calls) {
        const bool is_loop = call.min != 1 || call.max != 1;
        if (!is_loop || !rules_[call.rule].may_be_empty) continue;
        return absl::InvalidArgumentError(
            fmt::format("{} is repeated, and may be empty", rules_[call.rule].name));
      }
    }
  }
  return absl::OkStatus();
}

// A rule that comes to itself before a byte.
absl::Status RuleBook::CheckLeftRecursion() {
  SY_ASSIGN_OR_RETURN(const RuleGraph begins, FindBegins());
  RuleGraph callers(rules_.size());
  for (uint32_t r = 0; r < rules_.size(); ++r) {
    for (const uint32_t rule : begins[r]) callers[rule].push_back(r);
  }
  // Takes off, again and again, rules that no rule left begins with.
  std::vector<size_t> num_callers(rules_.size());
  std::vector<uint32_t> taken;
  for (uint32_t r = 0; r < rules_.size(); ++r) {
    num_callers[r] = callers[r].size();
    if (callers[r].empty()) taken.push_back(r);
  }
  for (size_t i = 0; i < taken.size(); ++i) {
    for (const uint32_t rule : begins[taken[i]]) {
      if (--num_callers[rule] == 0) taken.push_back(rule);
    }
  }
  if (taken.size() == rules_.size()) return absl::OkStatus();
  // Each rule left has a caller that is left: going from caller to caller comes to a circle.
  const auto is_left = [&](uint32_t rule) { return num_callers[rule] > 0; };
  uint32_t at = 0;
  while (!is_left(at)) ++at;
  for (std::vector<bool> seen(rules_.size()); !seen[at];) {
    seen[at] = true;
    at = *std::find_if(callers[at].begin(), callers[at].end(), is_left);
  }
  return absl::InvalidArgumentError(fmt::format(
      "{} begins with itself (left recursion): let it begin with something else, or repeat with *",
      rules_[at].name));
}

absl::StatusOr<v1::Grammar> RuleBook::Compile(uint32_t start) {
  SY_RETURN_IF_ERROR(budget_.Check());
  SY_RETURN_IF_ERROR(FindPossible());
  if (!rules_[start].is_possible) {
    return absl::InvalidArgumentError(fmt::format("no text satisfies {}", rules_[start].name));
  }
  SY_RETURN_IF_ERROR(DropImpossible());
  SY_RETURN_IF_ERROR(FindEmpty());
  SY_RETURN_IF_ERROR(CheckLoops());
  SY_RETURN_IF_ERROR(CheckLeftRecursion());
  std::vector<const Dfa*> bodies;
  for (const Rule& rule : rules_) bodies.push_back(&rule.body);
  return AutomatonWriter(std::move(bodies)).Write(start, budget_.limits().states_max);
}

}  // namespace switchyard::text::grammar
