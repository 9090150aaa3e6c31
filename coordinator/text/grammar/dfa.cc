#include "coordinator/text/grammar/dfa.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <utility>

namespace switchyard::text::grammar {
namespace {

using Subset = std::vector<uint32_t>;  // states of an Nfa, ascending

// Makes the states of a Dfa out of those of `Nfa`.
class Determinizer {
 public:
  Determinizer(const Nfa& nfa, Budget& budget) : nfa_(nfa), budget_(budget) {}

  Dfa Run() {
    Find({0});
    for (uint32_t s = 0; s < subsets_.size() && !budget_.is_spent(); ++s) FillState(s);
    return std::move(dfa_);
  }

 private:
  void Close(Subset& subset) {
    std::vector<uint32_t> open = subset;
    if (++round_ == 1) seen_.resize(nfa_.states().size());
    for (const uint32_t state : subset) seen_[state] = round_;
    while (!open.empty() && budget_.Spend(1)) {
      const uint32_t state = open.back();
      open.pop_back();
      for (const uint32_t next : nfa_.states()[state].jumps) {
        if (std::exchange(seen_[next], round_) == round_) continue;
        subset.push_back(next);
        open.push_back(next);
      }
    }
    std::sort(subset.begin(), subset.end());
  }

  uint32_t Find(Subset subset) {
    std::sort(subset.begin(), subset.end());
    subset.erase(std::unique(subset.begin(), subset.end()), subset.end());
    Close(subset);
    budget_.Spend(subset.size());
    const auto [at, is_new] = ids_.try_emplace(std::move(subset), subsets_.size());
    if (is_new) {
      budget_.Spend(8);
      subsets_.push_back(&at->first);
      dfa_.states.emplace_back();
    }
    return at->second;
  }

  void FillState(uint32_t s) {
    std::map<Call, Subset> calls;
    std::vector<const Nfa::Edge*> edges;
    for (const uint32_t n : *subsets_[s]) {
      const Nfa::State& state = nfa_.states()[n];
      dfa_.states[s].accepts |= state.accepts;
      for (const Nfa::Edge& edge : state.edges) edges.push_back(&edge);
      for (const Nfa::CallEdge& edge : state.calls) calls[edge.call].push_back(edge.target);
    }
    FillEdges(s, edges);
    for (auto& [call, targets] : calls) {
      const uint32_t target = Find(std::move(targets));
      dfa_.states[s].calls.push_back({call, target});
    }
  }

  // Cuts the bytes into sets that lead to the same targets.
  void FillEdges(uint32_t s, const std::vector<const Nfa::Edge*>& edges) {
    std::vector<std::pair<ByteSet, Subset>> parts = {{ByteRange(0, 255), {}}};
    for (const Nfa::Edge* edge : edges) {
      if (!budget_.Spend(parts.size() + 2)) return;
      const size_t num_parts = parts.size();
      for (size_t p = 0; p < num_parts; ++p) {
        const ByteSet shared = parts[p].first & edge->bytes;
        if (shared.none()) continue;
        if (shared != parts[p].first) {
          budget_.Spend(parts[p].second.size());
          parts.emplace_back(parts[p].first & ~shared, parts[p].second);
          parts[p].first = shared;
        }
        parts[p].second.push_back(edge->target);
      }
    }
    std::map<uint32_t, ByteSet> by_target;
    for (auto& [bytes, targets] : parts) {
      if (!targets.empty()) by_target[Find(std::move(targets))] |= bytes;
    }
    for (const auto& [target, bytes] : by_target) dfa_.states[s].edges.push_back({bytes, target});
  }

  const Nfa& nfa_;
  Budget& budget_;
  Dfa dfa_;
  std::map<Subset, uint32_t> ids_;
  std::vector<const Subset*> subsets_;
  std::vector<uint32_t> seen_;  // by state: the round of Close that met it last
  uint32_t round_ = 0;
};

// Drops the states that lead nowhere, but not the first.
void Trim(Dfa& dfa) {
  const size_t num_states = dfa.states.size();
  std::vector<std::vector<uint32_t>> sources(num_states);
  std::vector<uint32_t> open;
  std::vector<bool> is_live(num_states);
  for (uint32_t s = 0; s < num_states; ++s) {
    for (const Nfa::Edge& edge : dfa.states[s].edges) sources[edge.target].push_back(s);
    for (const Nfa::CallEdge& edge : dfa.states[s].calls) sources[edge.target].push_back(s);
    if (!dfa.states[s].accepts) continue;
    is_live[s] = true;
    open.push_back(s);
  }
  while (!open.empty()) {
    const uint32_t state = open.back();
    open.pop_back();
    for (const uint32_t source : sources[state]) {
      if (is_live[source]) continue;
      is_live[source] = true;
      open.push_back(source);
    }
  }
  std::vector<uint32_t> moved(num_states);
  uint32_t num_live = 0;
  for (uint32_t s = 0; s < num_states; ++s) {
    if (s == 0 || is_live[s]) moved[s] = num_live++;
  }
  for (uint32_t s = 0; s < num_states; ++s) {
    if (s != 0 && !is_live[s]) continue;
    Dfa::State& state = dfa.states[s];
    std::erase_if(state.edges, [&](const auto& edge) { return !is_live[edge.target]; });
    std::erase_if(state.calls, [&](const auto& edge) { return !is_live[edge.target]; });
    for (Nfa::Edge& edge : state.edges) edge.target = moved[edge.target];
    for (Nfa::CallEdge& edge : state.calls) edge.target = moved[edge.target];
    if (moved[s] != s) dfa.states[moved[s]] = std::move(state);
  }
  dfa.states.resize(num_live);
}

constexpr uint32_t kNone = kNoLimit;  // `b` has no way on

// All pairs of states that a text may lead to; `accepts` says which accept. Where `b` has no way
// on, only a product that `goes_on_alone` does.
absl::StatusOr<Dfa> Product(const Dfa& a, const Dfa& b, bool goes_on_alone,
                            const std::function<bool(bool, bool)>& accepts, Budget& budget) {
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> ids = {{{0, 0}, 0}};
  std::vector<std::pair<uint32_t, uint32_t>> pairs = {{0, 0}};
  Dfa product;
  for (uint32_t p = 0; p < pairs.size(); ++p) {
    const auto [x, y] = pairs[p];
    Dfa::State state;
    const Dfa::State none;
    const Dfa::State& of_b = y == kNone ? none : b.states[y];
    state.accepts = accepts(a.states[x].accepts, of_b.accepts);
    std::map<uint32_t, ByteSet> by_target;
    const auto add = [&](const ByteSet& bytes, uint32_t to_a, uint32_t to_b) {
      if (bytes.none()) return;
      const auto [at, is_new] = ids.try_emplace({to_a, to_b}, pairs.size());
      if (is_new) pairs.emplace_back(to_a, to_b);
      by_target[at->second] |= bytes;
    };
    for (const Nfa::Edge& edge : a.states[x].edges) {
      if (!budget.Spend(8 + 2 * of_b.edges.size())) return budget.Check();
      ByteSet rest = edge.bytes;
      for (const Nfa::Edge& other : of_b.edges) {
        add(edge.bytes & other.bytes, edge.target, other.target);
        rest &= ~other.bytes;
      }
      if (goes_on_alone) add(rest, edge.target, kNone);
    }
    for (const auto& [target, bytes] : by_target) state.edges.push_back({bytes, target});
    product.states.push_back(std::move(state));
  }
  Trim(product);
  return product;
}

}  // namespace

bool Dfa::is_empty() const {
  return states.size() == 1 && !states[0].accepts && states[0].edges.empty() &&
         states[0].calls.empty();
}

bool Dfa::has_calls() const {
  return std::any_of(states.begin(), states.end(), [](const State& s) { return !s.calls.empty(); });
}

bool Dfa::Matches(std::string_view text) const {
  uint32_t at = 0;
  for (const char c : text) {
    const auto& edges = states[at].edges;
    const auto edge = std::find_if(edges.begin(), edges.end(), [&](const Nfa::Edge& e) {
      return e.bytes.test(static_cast<uint8_t>(c));
    });
    if (edge == edges.end()) return false;
    at = edge->target;
  }
  return states[at].accepts;
}

absl::StatusOr<Dfa> Determinize(const Nfa& nfa, Budget& budget) {
  SY_RETURN_IF_ERROR(budget.Check());
  Dfa dfa = Determinizer(nfa, budget).Run();
  SY_RETURN_IF_ERROR(budget.Check());
  Trim(dfa);
  return dfa;
}

absl::StatusOr<Dfa> Intersect(const Dfa& a, const Dfa& b, Budget& budget) {
  return Product(
      a, b, false, [](bool in_a, bool in_b) { return in_a && in_b; }, budget);
}

absl::StatusOr<Dfa> Subtract(const Dfa& a, const Dfa& b, Budget& budget) {
  return Product(
      a, b, true, [](bool in_a, bool in_b) { return in_a && !in_b; }, budget);
}

uint32_t AddDfa(const Dfa& dfa, uint32_t from, Nfa& nfa) {
  std::vector<uint32_t> copies;
  for (size_t s = 0; s < dfa.states.size(); ++s) copies.push_back(nfa.AddState());
  const uint32_t end = nfa.AddState();
  if (nfa.budget().is_spent()) return end;
  nfa.AddJump(from, copies[0]);
  for (size_t s = 0; s < dfa.states.size(); ++s) {
    for (const Nfa::Edge& edge : dfa.states[s].edges) {
      nfa.AddBytes(copies[s], edge.bytes, copies[edge.target]);
    }
    for (const Nfa::CallEdge& edge : dfa.states[s].calls) {
      nfa.AddJump(nfa.AddCall(copies[s], edge.call), copies[edge.target]);
    }
    if (dfa.states[s].accepts) nfa.AddJump(copies[s], end);
  }
  return end;
}

}  // namespace switchyard::text::grammar
