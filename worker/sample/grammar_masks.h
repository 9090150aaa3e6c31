// Which tokens of the vocabulary a grammar allows next, fast: what a state allows whatever is
// remembered below it is found once, by a walk over all tokens, and kept; a step looks only at
// those that leave the state's rule. Another thread may find states ahead of the steps.
#ifndef SWITCHYARD_WORKER_SAMPLE_GRAMMAR_MASKS_H_
#define SWITCHYARD_WORKER_SAMPLE_GRAMMAR_MASKS_H_

#include <condition_variable>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "worker/sample/grammar_automaton.h"
#include "worker/sample/grammar_run.h"
#include "worker/sample/grammar_stacks.h"
#include "worker/sample/mask_walk.h"
#include "worker/sample/token_trie.h"

namespace switchyard::worker {

// One grammar over one vocabulary, for all sequences that it binds. Thread: the step's, but for
// PrepareOne.
//
// A grammar may be so ambiguous that a step would take seconds to find all that it allows. What one
// mask costs is therefore bounded: by work counted, never by time, so that every rank finds the
// same mask, in any batch, with drafts or without, whatever is kept. A mask whose work is spent has
// the tokens found by then, and of the rest those of one byte. It lacks tokens, but none of its
// tokens is wrong, and where the vocabulary has all bytes every text can still be said.
class GrammarMasks {
 public:
  static constexpr size_t kDefaultCacheBytes = size_t{32} << 20;
  // What a state took to find counts so many times less in a mask, whether it is kept or not.
  static constexpr uint64_t kStateUses = 32;

  // Keeps what was found about the states used last, in `cache_bytes` and the newest one.
  GrammarMasks(std::shared_ptr<const GrammarAutomaton> automaton,
               std::shared_ptr<const TokenTrie> trie, size_t cache_bytes = kDefaultCacheBytes);

  const GrammarAutomaton& automaton() const { return walk_.automaton(); }
  const TokenTrie& trie() const { return walk_.trie(); }

  // Sets the bits of the tokens that can follow where `positions` stand. `stacks` are those of the
  // positions; more are added for a while. False where the work did not do for all of them.
  // REQUIRES: mask has trie().mask_words() words, all 0.
  bool Allow(const GrammarPositions& positions, GrammarStacks& stacks, std::span<uint32_t> mask);

  // Finds one more of the states that take longest, about 10 ms each: those that go on with much of
  // the vocabulary (text within a string), nearest to the beginning first, at most 64 of them.
  // Steps may run meanwhile: they take what is ready, wait for the one that is being found if they
  // need it, and find the others themselves; what they get is the same. One thread at a time. False
  // when nothing is left, or half of the cache is full with what no step has asked for.
  bool PrepareOne();

  // Of one mask, in the units of GrammarRun::TakeWork.
  uint64_t max_mask_work() const { return MaskWalk::kLeastWork + 2 * trie().num_nodes(); }
  // Of finding one state.
  uint64_t max_state_work() const { return walk_.max_state_work(); }
  // All that steps have done so far.
  uint64_t work() const { return walk_.work(); }
  // Of what is kept now, what was found ahead and not used yet among it.
  size_t cache_bytes() const;

 private:
  struct Entry : MaskEntry {
    uint64_t key = 0;
  };
  // States that are found ahead.
  struct Ahead {
    std::mutex mutex;
    std::condition_variable found;
    std::unordered_set<uint32_t> asked_for;  // by steps: theirs from then on
    uint32_t under_way = GrammarAutomaton::kNoState;
    std::unordered_map<uint32_t, MaskEntry> ready;  // by state, until a step takes it
    size_t ready_bytes = 0;
  };

  // The entry of a state, with at most `rounds` more of its loop.
  const Entry& Find(uint32_t state, uint32_t rounds);
  // What was found ahead, or is found now.
  MaskEntry FindWhole(uint32_t state);
  MaskEntry CutToRounds(uint32_t state, uint32_t rounds);
  const Entry& Keep(Entry entry);
  void AllowExits(const MaskEntry& entry, const GrammarPosition& position, GrammarStacks& stacks,
                  std::span<uint32_t> mask);
  // Whether all tokens from node `n` of the trie on are in the mask: no way there adds one.
  bool AllowsAllFrom(uint32_t n, std::span<const uint32_t> mask);
  void AllowBytes(const GrammarAutomaton::ByteSet& bytes, std::span<uint32_t> mask) const;

  MaskWalk walk_;
  size_t cache_bytes_max_;
  size_t cache_bytes_ = 0;
  std::list<Entry> entries_;  // the one used last stands first
  std::unordered_map<uint64_t, std::list<Entry>::iterator> by_key_;
  const std::unique_ptr<Ahead> ahead_;
  // PrepareOne's.
  MaskWalk walk_ahead_;
  std::optional<std::vector<uint32_t>> states_ahead_;  // to find, the next at the back
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_GRAMMAR_MASKS_H_
