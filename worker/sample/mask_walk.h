// A walk over all tokens of the vocabulary from one state of a grammar: what the state allows
// whatever is remembered below it, and which tokens leave its rule.
#ifndef SWITCHYARD_WORKER_SAMPLE_MASK_WALK_H_
#define SWITCHYARD_WORKER_SAMPLE_MASK_WALK_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "worker/sample/grammar_automaton.h"
#include "worker/sample/grammar_run.h"
#include "worker/sample/token_trie.h"

namespace switchyard::worker {

// What a walk finds of a state, with at most so many more rounds of its loop.
struct MaskEntry {
  // A node of the trie whose bytes lead out of the state's rule, and the rounds of the loop by
  // then.
  struct Exit {
    uint32_t node = 0;
    uint32_t rounds = 0;
  };
  // Tokens that stay in the rule.
  struct Inside {
    uint32_t rounds = 0;  // of the state's loop that must still be allowed
    int32_t token = 0;
  };

  std::vector<uint32_t> words;  // the tokens as a set; empty where a list is smaller
  std::vector<int32_t> tokens;
  std::vector<Exit> exits;     // by byte
  std::vector<Inside> inside;  // of a loop, by rounds
  uint64_t work = 0;           // that the walk took
  bool was_cut = false;        // it ended before all was found

  // A set of `num_words` where that is smaller than a list.
  void SetTokens(std::span<const Inside> allowed, size_t num_words);
  size_t bytes() const;
};

// Working memory of one thread; automaton and trie are shared and never changed.
//
// An ambiguous grammar follows many ways over a large part of the vocabulary, so what walks may do
// is bounded by counting: nodes of the trie, and what steps count (GrammarRun::TakeWork). A walk
// that has no work left ends where it is, the same on every rank, for nothing is timed.
class MaskWalk {
 public:
  // Whatever the vocabulary, in the units of GrammarRun::TakeWork.
  static constexpr uint64_t kLeastWork = 500'000;
  // A node of the trie and what is done there beside the step.
  static constexpr uint64_t kNodeWork = 8;

  MaskWalk(std::shared_ptr<const GrammarAutomaton> automaton, std::shared_ptr<const TokenTrie> trie)
      : automaton_(std::move(automaton)),
        trie_(std::move(trie)),
        max_state_work_(kLeastWork + 3 * kNodeWork * trie_->num_nodes()) {}

  const GrammarAutomaton& automaton() const { return *automaton_; }
  const TokenTrie& trie() const { return *trie_; }

  // What may be done from now on.
  void Grant(uint64_t work) { work_left_ = work; }
  // False when no work is left then.
  bool Spend(uint64_t work) {
    work_ += work;
    work_left_ -= std::min(work_left_, work);
    return work_left_ > 0;
  }
  bool is_spent() const { return work_left_ == 0; }
  // All that was done so far.
  uint64_t work() const { return work_; }

  // All that the state allows, with any number of rounds, as far as max_state_work() goes; what
  // is granted stays. The same each time, on any thread.
  MaskEntry Find(uint32_t state);
  // Text of counted characters, which takes most in ordinary grammars, takes half of it.
  uint64_t max_state_work() const { return max_state_work_; }

  // Calls visit(n, positions) for the nodes n of [begin, end) that can be reached from `from`,
  // which stands at the node above `begin`. A visit that returns false goes no further down.
  // Ends when no work is left. `stacks` are those of the positions; more are added for a while.
  template <typename Visit>
  void Walk(uint32_t begin, uint32_t end, const GrammarPositions& from, GrammarStacks& stacks,
            uint32_t free_loop, Visit visit) {
    if (begin >= end) return;
    const uint32_t top = trie_->node(begin).depth - 1u;
    const size_t num_levels = trie_->max_depth() - top + 1;
    if (levels_.size() < num_levels) levels_.resize(num_levels);
    if (stack_counts_.size() < num_levels) stack_counts_.resize(num_levels);
    const size_t num_stacks = stacks.size();
    stack_counts_[0] = num_stacks;
    GrammarRun run(*automaton_, stacks, free_loop);
    for (uint32_t n = begin; n < end;) {
      const TokenTrie::Node& node = trie_->node(n);
      const uint32_t level = node.depth - top;
      stacks.Truncate(stack_counts_[level - 1]);
      const GrammarPositions& above = level == 1 ? from : levels_[level - 1];
      GrammarPositions& positions = levels_[level];
      if (!StepPlainly(above, node.byte, &positions)) run.Step(above, node.byte, &positions);
      if (!Spend(kNodeWork + run.TakeWork())) break;
      stack_counts_[level] = stacks.size();
      n = positions.none() || !visit(n, positions) ? node.subtree_end : n + 1;
    }
    stacks.Truncate(num_stacks);
  }

 private:
  // The groups of bytes (TokenTrie::GroupOf) on which `state` goes on to itself alone.
  uint64_t StayingGroups(uint32_t state);
  // The same for a loop that is free: on which it has made one more round.
  uint64_t RoundGroups(const GrammarAutomaton::Loop& loop) const;
  // Whether nothing but these positions comes of any bytes below node `n`.
  bool StaysBelow(uint32_t n, const GrammarPositions& positions);
  bool StepPlainly(const GrammarPositions& from, uint8_t byte, GrammarPositions* to) const;
  void AddExits(uint32_t n, uint32_t rounds, const GrammarAutomaton::ByteSet& return_bytes,
                MaskEntry* entry) const;

  std::shared_ptr<const GrammarAutomaton> automaton_;
  std::shared_ptr<const TokenTrie> trie_;
  // By depth.
  std::vector<GrammarPositions> levels_;
  std::vector<size_t> stack_counts_;
  uint64_t max_state_work_;
  uint64_t work_left_ = 0;
  uint64_t work_ = 0;
  std::vector<std::optional<uint64_t>> staying_groups_;  // by state
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_MASK_WALK_H_
