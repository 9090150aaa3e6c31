// The body of one rule while it is put together: states, edges over bytes, calls of other rules,
// and edges that take nothing.
#ifndef SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_NFA_H_
#define SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_NFA_H_

#include <bitset>
#include <compare>
#include <cstdint>
#include <limits>
#include <string_view>
#include <vector>

#include "coordinator/text/grammar/budget.h"

namespace switchyard::text::grammar {

using ByteSet = std::bitset<256>;

inline constexpr uint32_t kNoLimit = std::numeric_limits<uint32_t>::max();

inline ByteSet ByteRange(uint8_t first, uint8_t last) {
  ByteSet set;
  for (size_t byte = first; byte <= last; ++byte) set.set(byte);
  return set;
}

// A rule, or `min` to `max` of it one after the other.
struct Call {
  uint32_t rule = 0;
  uint32_t min = 1;
  uint32_t max = 1;
  auto operator<=>(const Call&) const = default;
};

// Grows from state 0, where it starts. Methods that go on from a state return the state reached,
// a new one unless the caller names it. Once the budget is spent nothing is added and states
// returned mean nothing: check the budget when done.
class Nfa {
 public:
  struct Edge {
    ByteSet bytes;
    uint32_t target = 0;
  };
  struct CallEdge {
    Call call;
    uint32_t target = 0;
  };
  struct State {
    std::vector<Edge> edges;
    std::vector<CallEdge> calls;
    std::vector<uint32_t> jumps;  // take nothing
    bool accepts = false;
  };

  explicit Nfa(Budget& budget) : budget_(&budget), states_(1) {}

  uint32_t AddState();
  uint32_t AddBytes(uint32_t from, const ByteSet& bytes);
  void AddBytes(uint32_t from, const ByteSet& bytes, uint32_t to);
  uint32_t AddText(uint32_t from, std::string_view text);
  uint32_t AddCall(uint32_t from, const Call& call);
  void AddJump(uint32_t from, uint32_t to);
  void Accept(uint32_t state) { states_[state].accepts = true; }

  Budget& budget() { return *budget_; }
  const std::vector<State>& states() const { return states_; }

 private:
  Budget* budget_;
  std::vector<State> states_;
};

}  // namespace switchyard::text::grammar

#endif  // SWITCHYARD_COORDINATOR_TEXT_GRAMMAR_NFA_H_
