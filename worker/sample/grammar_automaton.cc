#include "worker/sample/grammar_automaton.h"

#include <algorithm>
#include <map>
#include <utility>

namespace switchyard::worker {
namespace {

absl::Status Bad(std::string what) {
  return absl::InvalidArgumentError("a grammar from the coordinator is malformed: " + what);
}

// Checks that `counts` has one entry for each state and that they add up to `total`.
template <typename Counts>
absl::Status CheckCounts(const Counts& counts, size_t num_states, uint64_t total,
                         std::string_view what) {
  if (static_cast<size_t>(counts.size()) != num_states) {
    return Bad(fmt::format("counts of {} for {} of {} states", what, counts.size(), num_states));
  }
  uint64_t sum = 0;
  for (const uint32_t count : counts) sum += count;
  if (sum != total) return Bad(fmt::format("{} {}; the states have {}", total, what, sum));
  return absl::OkStatus();
}

std::vector<GrammarAutomaton::ByteSet> ReadSets(std::string_view bytes) {
  std::vector<GrammarAutomaton::ByteSet> sets(bytes.size() / 32);
  for (size_t i = 0; i < sets.size() * 256; ++i) {
    if ((static_cast<uint8_t>(bytes[i / 8]) >> (i % 8)) & 1) sets[i / 256].set(i % 256);
  }
  return sets;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const GrammarAutomaton>> GrammarAutomaton::Create(
    const v1::Grammar& grammar) {
  const size_t num_states = grammar.may_end().size();
  if (num_states == 0 || num_states > kMaxStates) {
    return Bad(fmt::format("{} states; 1 to {} are allowed", num_states, kMaxStates));
  }
  if (grammar.start() >= num_states) return Bad(fmt::format("no state {}", grammar.start()));
  std::shared_ptr<GrammarAutomaton> automaton(new GrammarAutomaton);
  automaton->start_ = grammar.start();
  automaton->states_.resize(num_states);
  for (size_t s = 0; s < num_states; ++s) {
    automaton->states_[s].may_end = grammar.may_end()[s] != 0;
  }
  SY_RETURN_IF_ERROR(automaton->ReadEdges(grammar));
  SY_RETURN_IF_ERROR(automaton->ReadCalls(grammar));
  SY_RETURN_IF_ERROR(automaton->ReadLoops(grammar));
  SY_RETURN_IF_ERROR(automaton->Close());
  return automaton;
}

// Splits the bytes until every set holds whole classes only.
void GrammarAutomaton::FindClasses(std::span<const ByteSet> sets) {
  for (const ByteSet& set : sets) {
    std::map<std::pair<uint8_t, bool>, uint8_t> split;
    for (size_t byte = 0; byte < 256; ++byte) {
      const auto key = std::pair(class_of_[byte], set.test(byte));
      class_of_[byte] = split.try_emplace(key, static_cast<uint8_t>(split.size())).first->second;
    }
    num_classes_ = static_cast<uint32_t>(split.size());
    if (num_classes_ == 256) return;
  }
}

absl::Status GrammarAutomaton::ReadEdges(const v1::Grammar& grammar) {
  const uint32_t num_edges = grammar.edge_targets_size();
  SY_RETURN_IF_ERROR(CheckCounts(grammar.edge_counts(), num_states(), num_edges, "edges"));
  if (grammar.edge_sets_size() != grammar.edge_targets_size()) return Bad("an edge without a set");
  if (grammar.byte_sets().size() % 32 != 0) return Bad("a set of bytes has not 32 bytes");
  const std::vector<ByteSet> sets = ReadSets(grammar.byte_sets());
  FindClasses(sets);
  targets_.assign(size_t{num_states()} * num_classes_, kNoTarget);
  first_bytes_.resize(num_states());
  uint32_t edge = 0;
  for (uint32_t s = 0; s < num_states(); ++s) {
    for (const uint32_t end = edge + grammar.edge_counts(s); edge < end; ++edge) {
      const uint32_t target = grammar.edge_targets(edge);
      if (grammar.edge_sets(edge) >= sets.size() || target >= num_states()) {
        return Bad(fmt::format("an edge of state {} goes nowhere", s));
      }
      const ByteSet& set = sets[grammar.edge_sets(edge)];
      if ((first_bytes_[s] & set).any()) return Bad(fmt::format("edges of state {} overlap", s));
      first_bytes_[s] |= set;
      for (size_t byte = 0; byte < 256; ++byte) {
        if (set.test(byte)) targets_[s * num_classes_ + class_of_[byte]] = target;
      }
    }
  }
  return absl::OkStatus();
}

absl::Status GrammarAutomaton::ReadCalls(const v1::Grammar& grammar) {
  const uint32_t num_calls = grammar.call_targets_size();
  SY_RETURN_IF_ERROR(CheckCounts(grammar.call_counts(), num_states(), num_calls, "calls"));
  if (grammar.call_returns_size() != grammar.call_targets_size()) {
    return Bad("a call without a return");
  }
  if (num_calls > kMaxCalls) return Bad(fmt::format("{} calls", num_calls));
  for (uint32_t s = 0; s < num_states(); ++s) {
    states_[s].calls_begin = static_cast<uint32_t>(calls_.size());
    states_[s].num_calls = grammar.call_counts(s);
    for (uint32_t i = 0; i < grammar.call_counts(s); ++i) {
      const Call call = {.target = grammar.call_targets(calls_.size()),
                         .returns = grammar.call_returns(calls_.size())};
      if (call.target >= num_states() || call.returns >= num_states()) {
        return Bad(fmt::format("a call of state {} goes nowhere", s));
      }
      calls_.push_back(call);
    }
  }
  return absl::OkStatus();
}

absl::Status GrammarAutomaton::ReadLoops(const v1::Grammar& grammar) {
  std::map<uint32_t, uint32_t> siblings;  // by body
  for (const v1::Loop& loop : grammar.loops()) {
    if (loop.state() >= num_states() || loop.body() >= num_states()) {
      return Bad("a loop has no state or body");
    }
    State& state = states_[loop.state()];
    if (state.loop != kNoState || state.num_calls > 0 || state.may_end ||
        first_bytes_[loop.state()].any()) {
      return Bad(fmt::format("state {} counts and does more", loop.state()));
    }
    if (loop.max() == 0 || loop.min() > loop.max() || loop.min() == kNoLimit) {
      return Bad(
          fmt::format("state {} counts from {} to {}", loop.state(), loop.min(), loop.max()));
    }
    state.loop = static_cast<uint32_t>(loops_.size());
    const uint32_t sibling = siblings.try_emplace(loop.body(), loop.state()).first->second;
    loops_.push_back({.state = loop.state(),
                      .body = loop.body(),
                      .min = loop.min(),
                      .max = loop.max(),
                      .sibling = sibling});
  }
  return absl::OkStatus();
}

// What the state's calls add to it; they are finished.
bool GrammarAutomaton::FinishState(uint32_t s) {
  State& state = states_[s];
  state.ends = state.may_end;
  if (state.loop != kNoState) {
    const Loop& loop = loops_[state.loop];
    state.ends = loop.min == 0;
    first_bytes_[s] = first_bytes_[loop.body];
    return !states_[loop.body].ends;
  }
  for (const Call& call : calls(s)) {
    first_bytes_[s] |= first_bytes_[call.target];
    if (!states_[call.target].ends) continue;
    first_bytes_[s] |= first_bytes_[call.returns];
    state.ends |= states_[call.returns].ends;
  }
  return true;
}

// Walks down from every state over calls, and over returns of calls that may end at once: the
// states reached are finished first. Meeting a state on the way to itself is a circle without a
// byte.
absl::Status GrammarAutomaton::Close() {
  for (uint32_t s = 0; s < num_states(); ++s) {
    State& state = states_[s];
    state.is_plain = state.num_calls == 0 && state.loop == kNoState;
    state.is_final = state.is_plain && state.may_end && first_bytes_[s].none();
  }
  for (Call& call : calls_) call.is_tail = states_[call.returns].is_final;
  enum class Mark : uint8_t { kNew, kOpen, kDone };
  std::vector<Mark> marks(num_states(), Mark::kNew);
  struct Frame {
    uint32_t state;
    uint32_t step = 0;  // two for each call: its target, then its return
  };
  std::vector<Frame> way;
  // What the frame needs next; kNoState when it has all.
  const auto next_of = [this](Frame& frame) {
    const State& state = states_[frame.state];
    if (state.loop != kNoState) return frame.step++ == 0 ? loops_[state.loop].body : kNoState;
    for (; frame.step < 2 * state.num_calls; ++frame.step) {
      const Call& call = calls_[state.calls_begin + frame.step / 2];
      if (frame.step % 2 == 0) return ++frame.step, call.target;
      if (states_[call.target].ends) return ++frame.step, call.returns;
    }
    return kNoState;
  };
  for (uint32_t root = 0; root < num_states(); ++root) {
    if (marks[root] != Mark::kNew) continue;
    way.push_back({root});
    marks[root] = Mark::kOpen;
    while (!way.empty()) {
      const uint32_t next = next_of(way.back());
      if (next == kNoState) {
        if (!FinishState(way.back().state)) {
          return Bad(fmt::format("the body of loop {} may end at once", way.back().state));
        }
        marks[way.back().state] = Mark::kDone;
        way.pop_back();
      } else if (marks[next] == Mark::kOpen) {
        return Bad(fmt::format("state {} comes back to itself without a byte", next));
      } else if (marks[next] == Mark::kNew) {
        marks[next] = Mark::kOpen;
        way.push_back({next});
      }
    }
  }
  FindReturnBytes();
  return absl::OkStatus();
}

void GrammarAutomaton::FindReturnBytes() {
  for (const Call& call : calls_) return_bytes_ |= first_bytes_[call.returns];
  for (const Loop& loop : loops_) return_bytes_ |= first_bytes_[loop.body];
  const auto add = [this](uint32_t target, const ByteSet& bytes) {
    if (states_[target].loop == kNoState) return;
    const uint32_t sibling = loops_[states_[target].loop].sibling;
    loops_[states_[sibling].loop].return_bytes |= bytes;
  };
  // A state that may end returns further.
  for (const Call& call : calls_) {
    add(call.target, states_[call.returns].ends ? return_bytes_ : first_bytes_[call.returns]);
  }
  for (const Loop& loop : loops_) add(loop.body, return_bytes_);
}

}  // namespace switchyard::worker
