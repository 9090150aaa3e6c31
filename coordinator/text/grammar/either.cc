#include "coordinator/text/grammar/either.h"

namespace switchyard::text::grammar {
namespace {

constexpr uint32_t kBytesOfSet = 32;

void Append(const v1::Grammar& from, v1::Grammar* to) {
  const auto first_state = static_cast<uint32_t>(to->may_end().size());
  const auto first_set = static_cast<uint32_t>(to->byte_sets().size()) / kBytesOfSet;
  to->mutable_may_end()->append(from.may_end());
  to->mutable_byte_sets()->append(from.byte_sets());
  to->mutable_edge_counts()->MergeFrom(from.edge_counts());
  to->mutable_call_counts()->MergeFrom(from.call_counts());
  for (const uint32_t set : from.edge_sets()) to->add_edge_sets(first_set + set);
  for (const uint32_t target : from.edge_targets()) to->add_edge_targets(first_state + target);
  for (const uint32_t target : from.call_targets()) to->add_call_targets(first_state + target);
  for (const uint32_t state : from.call_returns()) to->add_call_returns(first_state + state);
  for (v1::Loop loop : from.loops()) {
    loop.set_state(first_state + loop.state());
    loop.set_body(first_state + loop.body());
    *to->add_loops() = loop;
  }
}

uint32_t AddState(bool may_end, uint32_t num_calls, v1::Grammar* grammar) {
  grammar->mutable_may_end()->push_back(may_end ? 1 : 0);
  grammar->add_edge_counts(0);
  grammar->add_call_counts(num_calls);
  return static_cast<uint32_t>(grammar->may_end().size()) - 1;
}

}  // namespace

absl::StatusOr<v1::Grammar> Either(const v1::Grammar& a, const v1::Grammar& b,
                                   const GrammarLimits& limits) {
  v1::Grammar either;
  Append(a, &either);
  const auto num_states_of_a = static_cast<uint32_t>(a.may_end().size());
  Append(b, &either);
  const uint32_t end = AddState(/*may_end=*/true, /*num_calls=*/0, &either);
  either.set_start(AddState(/*may_end=*/false, /*num_calls=*/2, &either));
  for (const uint32_t start : {a.start(), num_states_of_a + b.start()}) {
    either.add_call_targets(start);
    either.add_call_returns(end);
  }
  if (either.may_end().size() <= limits.states_max) return either;
  return absl::InvalidArgumentError(fmt::format(
      "the grammars are too large: together they need more than {} states", limits.states_max));
}

}  // namespace switchyard::text::grammar
