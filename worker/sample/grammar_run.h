// Where a text stands in its grammar, and one byte on: all ways through the automaton side by side.
#ifndef SWITCHYARD_WORKER_SAMPLE_GRAMMAR_RUN_H_
#define SWITCHYARD_WORKER_SAMPLE_GRAMMAR_RUN_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "worker/sample/grammar_automaton.h"
#include "worker/sample/grammar_stacks.h"

namespace switchyard::worker {

struct GrammarPosition {
  static constexpr uint32_t kBottom = GrammarNode::kBottom;

  uint32_t state = 0;
  uint32_t count = 0;  // rounds finished, of a loop's state; else 0
  uint32_t stack = kBottom;

  friend bool operator==(const GrammarPosition&, const GrammarPosition&) = default;
};

// All positions that a text may stand at and go on from. Where a position may end, the positions
// that it returns to are there, too.
struct GrammarPositions {
  std::vector<GrammarPosition> all;
  // The bottom was reached: nothing is left to come. Holds for each way there the rounds of the
  // bottom's loop (GrammarRun, `free_loop`), else 0.
  std::vector<uint32_t> ended;

  bool none() const { return all.empty() && ended.empty(); }
  void clear() {
    all.clear();
    ended.clear();
  }
};

// Steps over stacks that it adds to. A run that follows more than kMaxPositions ways at once
// drops those found last, and so may refuse what the grammar allows, but never the other way round.
// What is left of a grammar whose chains of calls are shorter than kMaxVisits always goes on.
class GrammarRun {
 public:
  static constexpr size_t kMaxPositions = 128;
  // Of states looked at in one step.
  static constexpr int kMaxVisits = 8192;

  // The state `free_loop` (kNoState: none), where nothing is remembered, loops and ends after any
  // number of rounds. What stands on `bottom` returns to nothing.
  GrammarRun(const GrammarAutomaton& automaton, GrammarStacks& stacks,
             uint32_t free_loop = GrammarAutomaton::kNoState,
             uint32_t bottom = GrammarPosition::kBottom)
      : automaton_(automaton), stacks_(stacks), free_loop_(free_loop), bottom_(bottom) {}

  // Adds the position, and what it may return to.
  void Enter(const GrammarPosition& position, GrammarPositions* to);

  // Adds the position alone. False if it is there already, or there are too many.
  bool Add(const GrammarPosition& position, GrammarPositions* to);

  // `to` becomes what `from` leads to by `byte`: nothing if no way goes on. They are not the same.
  void Step(const GrammarPositions& from, uint8_t byte, GrammarPositions* to);

  // Whether a way was dropped since the run was made.
  bool was_cut() const { return was_cut_; }

  // What was done since this was asked last, counted: states looked at, and positions compared by
  // the eight. A few ns each. Depends on the positions and bytes alone.
  uint64_t TakeWork() { return std::exchange(work_, 0); }

  // The position that `stack` returns to, after one round of its loop if it is one. REQUIRES: not
  // kBottom.
  GrammarPosition Return(uint32_t stack) const;

 private:
  void StepOne(const GrammarPosition& from, GrammarPositions* to);
  void CallLoop(const GrammarAutomaton::Loop& loop, const GrammarPosition& from,
                GrammarPositions* to);
  bool Ends(const GrammarPosition& position) const;
  bool GoesOn(const GrammarPosition& position) const;
  bool IsFree(const GrammarPosition& position) const {
    return position.state == free_loop_ && position.stack == bottom_;
  }

  const GrammarAutomaton& automaton_;
  GrammarStacks& stacks_;
  const uint32_t free_loop_;
  const uint32_t bottom_;
  bool was_cut_ = false;
  uint64_t work_ = 0;
  // Of the step that is being made.
  uint8_t byte_ = 0;
  int num_visits_ = 0;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_GRAMMAR_RUN_H_
