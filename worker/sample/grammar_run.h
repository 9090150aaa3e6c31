// Where a text stands in its grammar, and one byte on: all ways through the automaton side by side.
#ifndef SWITCHYARD_WORKER_SAMPLE_GRAMMAR_RUN_H_
#define SWITCHYARD_WORKER_SAMPLE_GRAMMAR_RUN_H_

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "worker/sample/grammar_automaton.h"

namespace switchyard::worker {

// A state to return to, and those below it. Nodes are named by their index in a vector and never
// changed, so many positions share them.
struct GrammarNode {
  uint32_t state = 0;
  uint32_t count = 0;  // rounds begun, of a loop's state; else 0
  uint32_t below = 0;
};

struct GrammarPosition {
  // Below the last state that is remembered.
  static constexpr uint32_t kBottom = std::numeric_limits<uint32_t>::max();

  uint32_t state = 0;
  uint32_t count = 0;  // rounds finished, of a loop's state; else 0
  uint32_t stack = kBottom;
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

// Steps over nodes that it appends to. A run that follows more than kMaxPositions ways at once
// drops those found last, and so may refuse what the grammar allows, but never the other way round.
// What is left of a grammar whose chains of calls are shorter than kMaxVisits always goes on.
class GrammarRun {
 public:
  static constexpr size_t kMaxPositions = 128;
  // Of states looked at in one step.
  static constexpr int kMaxVisits = 8192;

  // The state `free_loop` (kNoState: none), where nothing is remembered, loops and ends after any
  // number of rounds. What stands on `bottom` returns to nothing.
  GrammarRun(const GrammarAutomaton& automaton, std::vector<GrammarNode>& nodes,
             uint32_t free_loop = GrammarAutomaton::kNoState,
             uint32_t bottom = GrammarPosition::kBottom)
      : automaton_(automaton), nodes_(nodes), free_loop_(free_loop), bottom_(bottom) {}

  // Adds the position, and what it may return to.
  void Enter(const GrammarPosition& position, GrammarPositions* to);

  // Adds the position alone. False if it is there already, or there are too many.
  bool Add(const GrammarPosition& position, GrammarPositions* to);

  // `to` becomes what `from` leads to by `byte`: nothing if no way goes on. They are not the same.
  void Step(const GrammarPositions& from, uint8_t byte, GrammarPositions* to);

  // Whether a way was dropped since the run was made.
  bool was_cut() const { return was_cut_; }

  // The position that `stack` returns to, after one round of its loop if it is one. REQUIRES: not
  // kBottom.
  GrammarPosition Return(uint32_t stack) const;

  // What `node` stands for depends on its contents alone.
  bool SameStack(uint32_t a, uint32_t b) const;

 private:
  void StepOne(const GrammarPosition& from, GrammarPositions* to);
  void CallLoop(const GrammarAutomaton::Loop& loop, const GrammarPosition& from,
                GrammarPositions* to);
  bool Ends(const GrammarPosition& position) const;
  bool GoesOn(const GrammarPosition& position) const;
  bool IsFree(const GrammarPosition& position) const {
    return position.state == free_loop_ && position.stack == bottom_;
  }
  uint32_t Push(const GrammarNode& node);

  const GrammarAutomaton& automaton_;
  std::vector<GrammarNode>& nodes_;
  const uint32_t free_loop_;
  const uint32_t bottom_;
  bool was_cut_ = false;
  // Of the step that is being made.
  uint8_t byte_ = 0;
  int num_visits_ = 0;
  size_t first_node_ = 0;  // that it pushed
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_GRAMMAR_RUN_H_
