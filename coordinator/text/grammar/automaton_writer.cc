#include "coordinator/text/grammar/automaton_writer.h"

namespace switchyard::text::grammar {

uint32_t AutomatonWriter::FirstState(uint32_t rule) {
  const auto [at, is_new] = first_states_.try_emplace(rule, num_states_);
  if (is_new) {
    to_write_.push_back(bodies_[rule]);
    num_states_ += static_cast<uint32_t>(bodies_[rule]->states.size());
  }
  return at->second;
}

uint32_t AutomatonWriter::TargetOf(const Call& call) {
  if (call.min == 1 && call.max == 1) return FirstState(call.rule);
  const auto [at, is_new] = loop_states_.try_emplace(call, num_states_);
  if (!is_new) return at->second;
  const uint32_t state = num_states_++;
  to_write_.push_back(nullptr);
  v1::Loop* loop = grammar_.add_loops();
  loop->set_state(state);
  loop->set_min(call.min);
  loop->set_max(call.max);
  loop->set_body(FirstState(call.rule));
  return state;
}

uint32_t AutomatonWriter::SetIndex(const ByteSet& bytes) {
  std::string set(32, '\0');
  for (size_t byte = 0; byte < 256; ++byte) {
    if (bytes.test(byte)) set[byte / 8] = static_cast<char>(set[byte / 8] | 1 << (byte % 8));
  }
  const auto [at, is_new] = set_indices_.try_emplace(set, set_indices_.size());
  if (is_new) grammar_.mutable_byte_sets()->append(set);
  return at->second;
}

void AutomatonWriter::WriteRule(const Dfa& body, uint32_t first) {
  for (const Dfa::State& state : body.states) {
    grammar_.mutable_may_end()->push_back(state.accepts ? 1 : 0);
    grammar_.add_edge_counts(static_cast<uint32_t>(state.edges.size()));
    for (const Nfa::Edge& edge : state.edges) {
      grammar_.add_edge_sets(SetIndex(edge.bytes));
      grammar_.add_edge_targets(first + edge.target);
    }
    grammar_.add_call_counts(static_cast<uint32_t>(state.calls.size()));
    for (const Nfa::CallEdge& edge : state.calls) {
      grammar_.add_call_targets(TargetOf(edge.call));
      grammar_.add_call_returns(first + edge.target);
    }
  }
}

absl::StatusOr<v1::Grammar> AutomatonWriter::Write(uint32_t start, uint32_t states_max) {
  grammar_.set_start(FirstState(start));
  uint32_t first = 0;
  for (size_t i = 0; i < to_write_.size(); ++i) {
    if (num_states_ > states_max) {
      return absl::InvalidArgumentError(fmt::format(
          "the grammar is too large: its automaton needs more than {} states", states_max));
    }
    const Dfa* body = to_write_[i];
    if (body == nullptr) {
      grammar_.mutable_may_end()->push_back(0);
      grammar_.add_edge_counts(0);
      grammar_.add_call_counts(0);
      ++first;
      continue;
    }
    WriteRule(*body, first);
    first += static_cast<uint32_t>(body->states.size());
  }
  return std::move(grammar_);
}

}  // namespace switchyard::text::grammar
