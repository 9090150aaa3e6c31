#include "coordinator/text/grammar/rule_book.h"

#include <algorithm>
#include <utility>

#include "coordinator/text/grammar/automaton_writer.h"

namespace switchyard::text::grammar {
namespace {

// Of rules that begin with each other. Workers follow the whole chain for one byte.
constexpr uint32_t kMaxChain = 1000;

// The texts of `dfa` but the empty one. A text may come back to where it begins: such ways go to a
// copy of the first state.
void DropEmptyText(Dfa& dfa) {
  const auto copy = static_cast<uint32_t>(dfa.states.size());
  bool is_met = false;
  const auto move = [&](uint32_t& target) {
    is_met |= target == 0;
    if (target == 0) target = copy;
  };
  for (Dfa::State& state : dfa.states) {
    for (Nfa::Edge& edge : state.edges) move(edge.target);
    for (Nfa::CallEdge& edge : state.calls) move(edge.target);
  }
  if (is_met) dfa.states.push_back(dfa.states[0]);
  dfa.states[0].accepts = false;
}

}  // namespace

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

absl::Status RuleBook::FindPossible(std::optional<uint32_t> assumed) {
  for (Rule& rule : rules_) rule.is_possible = false;
  if (assumed.has_value()) rules_[*assumed].is_possible = true;
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

absl::Status RuleBook::ReplaceCalls(
    const std::function<bool(const Call&)>& is_meant,
    const std::function<void(Nfa&, uint32_t, const Nfa::CallEdge&)>& replace) {
  for (Rule& rule : rules_) {
    const std::vector<Dfa::State>& states = rule.body.states;
    const bool has_any = std::any_of(states.begin(), states.end(), [&](const Dfa::State& state) {
      return std::any_of(state.calls.begin(), state.calls.end(),
                         [&](const Nfa::CallEdge& edge) { return is_meant(edge.call); });
    });
    if (!has_any) continue;
    Nfa nfa(budget_);
    while (nfa.states().size() < states.size() && !budget_.is_spent()) nfa.AddState();
    SY_RETURN_IF_ERROR(budget_.Check());
    for (uint32_t s = 0; s < states.size(); ++s) {
      if (states[s].accepts) nfa.Accept(s);
      for (const Nfa::Edge& edge : states[s].edges) nfa.AddBytes(s, edge.bytes, edge.target);
      for (const Nfa::CallEdge& edge : states[s].calls) {
        if (is_meant(edge.call)) {
          replace(nfa, s, edge);
        } else {
          nfa.AddJump(nfa.AddCall(s, edge.call), edge.target);
        }
      }
    }
    SY_ASSIGN_OR_RETURN(rule.body, Determinize(nfa, budget_));
  }
  return absl::OkStatus();
}

// Takes the empty text from all rules. A call that may be empty may be passed over instead; and if
// some of its rounds may be empty, any number of them, it has at least one that is not.
absl::Status RuleBook::DropEmpty() {
  SY_RETURN_IF_ERROR(ReplaceCalls([this](const Call& call) { return MayBeEmpty(call); },
                                  [](Nfa& nfa, uint32_t from, const Nfa::CallEdge& edge) {
                                    nfa.AddJump(from, edge.target);
                                    if (edge.call.max == 0) return;
                                    const Call call = {
                                        .rule = edge.call.rule, .min = 1, .max = edge.call.max};
                                    nfa.AddJump(nfa.AddCall(from, call), edge.target);
                                  }));
  for (Rule& rule : rules_) {
    if (rule.may_be_empty) DropEmptyText(rule.body);
  }
  return absl::OkStatus();
}

// Takes out calls that can never be finished. REQUIRES: no call may be empty.
absl::Status RuleBook::DropImpossible() {
  return ReplaceCalls([this](const Call& call) { return !rules_[call.rule].is_possible; },
                      [](Nfa&, uint32_t, const Nfa::CallEdge&) {});
}

// For each rule those that it may begin with. REQUIRES: no call may be empty.
RuleBook::RuleGraph RuleBook::FindBegins() const {
  RuleGraph begins(rules_.size());
  for (size_t r = 0; r < rules_.size(); ++r) {
    for (const Nfa::CallEdge& edge : rules_[r].body.states[0].calls) {
      begins[r].push_back(edge.call.rule);
    }
  }
  return begins;
}

// A rule that comes to itself before a byte, or to others in a very long chain.
absl::Status RuleBook::CheckLeftRecursion() const {
  const RuleGraph begins = FindBegins();
  RuleGraph callers(rules_.size());
  for (uint32_t r = 0; r < rules_.size(); ++r) {
    for (const uint32_t rule : begins[r]) callers[rule].push_back(r);
  }
  // Takes off, again and again, rules that no rule left begins with.
  std::vector<size_t> num_callers(rules_.size());
  std::vector<uint32_t> taken;
  std::vector<uint32_t> depths(rules_.size());  // of the longest chain of calls to a rule
  for (uint32_t r = 0; r < rules_.size(); ++r) {
    num_callers[r] = callers[r].size();
    if (callers[r].empty()) taken.push_back(r);
  }
  for (size_t i = 0; i < taken.size(); ++i) {
    for (const uint32_t rule : begins[taken[i]]) {
      depths[rule] = std::max(depths[rule], depths[taken[i]] + 1);
      if (depths[rule] > kMaxChain) {
        return absl::InvalidArgumentError(fmt::format(
            "{} is called by rules that begin with each other, more than {} one in the other",
            rules_[rule].name, kMaxChain));
      }
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
  SY_RETURN_IF_ERROR(FindEmpty());
  SY_RETURN_IF_ERROR(DropEmpty());
  SY_RETURN_IF_ERROR(FindPossible());
  const bool may_be_empty = rules_[start].may_be_empty;
  if (!rules_[start].is_possible && !may_be_empty) {
    return absl::InvalidArgumentError(fmt::format("no text satisfies {}", rules_[start].name));
  }
  SY_RETURN_IF_ERROR(DropImpossible());
  SY_RETURN_IF_ERROR(CheckLeftRecursion());
  std::vector<const Dfa*> bodies;
  for (const Rule& rule : rules_) bodies.push_back(&rule.body);
  // The whole text may be empty; where the rule calls itself, its text may not.
  Dfa whole = rules_[start].body;
  if (may_be_empty) {
    whole.states[0].accepts = true;
    start = static_cast<uint32_t>(bodies.size());
    bodies.push_back(&whole);
  }
  return AutomatonWriter(std::move(bodies)).Write(start, budget_.limits().states_max);
}

}  // namespace switchyard::text::grammar
