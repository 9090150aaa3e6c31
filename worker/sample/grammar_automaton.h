// A grammar from the wire, checked once, in the form in which it is run.
#ifndef SWITCHYARD_WORKER_SAMPLE_GRAMMAR_AUTOMATON_H_
#define SWITCHYARD_WORKER_SAMPLE_GRAMMAR_AUTOMATON_H_

#include <array>
#include <bitset>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "proto/grammar.pb.h"

namespace switchyard::worker {

// Words as in proto/grammar.proto. Never changed; any thread may read it.
class GrammarAutomaton {
 public:
  static constexpr uint32_t kMaxStates = 32'000;
  static constexpr uint32_t kMaxCalls = 1'000'000;
  static constexpr uint32_t kNoState = std::numeric_limits<uint32_t>::max();
  static constexpr uint32_t kNoLimit = std::numeric_limits<uint32_t>::max();

  using ByteSet = std::bitset<256>;

  struct Call {
    uint32_t target = 0;
    uint32_t returns = 0;
    // The state returned to does nothing but end: nothing needs to be remembered.
    bool is_tail = false;
  };
  struct Loop {
    uint32_t state = 0;
    uint32_t body = 0;
    uint32_t min = 0;
    uint32_t max = 0;
    uint32_t sibling = 0;  // the state of the first loop with this body
    // Of a first one: what the next byte may be where it or one of its siblings returns to.
    ByteSet return_bytes;
  };

  // INVALID_ARGUMENT naming the state when `grammar` is not what proto/grammar.proto promises, or
  // is larger than the limits above.
  static absl::StatusOr<std::shared_ptr<const GrammarAutomaton>> Create(const v1::Grammar& grammar);

  uint32_t start() const { return start_; }
  uint32_t num_states() const { return static_cast<uint32_t>(states_.size()); }

  // The state that `state` has an edge to; kNoState if none.
  uint32_t Next(uint32_t state, uint8_t byte) const {
    const uint16_t target = targets_[state * num_classes_ + class_of_[byte]];
    return target == kNoTarget ? kNoState : target;
  }
  std::span<const Call> calls(uint32_t state) const {
    return std::span(calls_).subspan(states_[state].calls_begin, states_[state].num_calls);
  }
  // Null unless the state counts.
  const Loop* loop(uint32_t state) const {
    const uint32_t at = states_[state].loop;
    return at == kNoState ? nullptr : &loops_[at];
  }
  // Has edges only.
  bool is_plain(uint32_t state) const { return states_[state].is_plain; }
  // Does nothing but end.
  bool is_final(uint32_t state) const { return states_[state].is_final; }
  // May end without a byte more, perhaps by calls that end at once. Of a loop: before its first
  // round.
  bool ends(uint32_t state) const { return states_[state].ends; }
  // What the next byte may be, before the state ends.
  const ByteSet& first_bytes(uint32_t state) const { return first_bytes_[state]; }
  // What the next byte may be after any return.
  const ByteSet& return_bytes() const { return return_bytes_; }

 private:
  static constexpr uint16_t kNoTarget = 0xffff;

  struct State {
    uint32_t calls_begin = 0;
    uint32_t num_calls = 0;
    uint32_t loop = kNoState;
    bool may_end = false;
    bool is_plain = false;
    bool is_final = false;
    bool ends = false;
  };

  GrammarAutomaton() = default;

  absl::Status ReadEdges(const v1::Grammar& grammar);
  absl::Status ReadCalls(const v1::Grammar& grammar);
  absl::Status ReadLoops(const v1::Grammar& grammar);
  void FindClasses(std::span<const ByteSet> sets);
  absl::Status Close();
  void FindReturnBytes();
  bool FinishState(uint32_t state);

  uint32_t start_ = 0;
  std::vector<State> states_;
  std::vector<Call> calls_;
  std::vector<Loop> loops_;
  std::vector<ByteSet> first_bytes_;
  ByteSet return_bytes_;
  // Bytes of one class are in the same sets; targets_ is [num_states, num_classes].
  std::array<uint8_t, 256> class_of_ = {};
  uint32_t num_classes_ = 1;
  std::vector<uint16_t> targets_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_GRAMMAR_AUTOMATON_H_
