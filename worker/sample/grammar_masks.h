// Which tokens of the vocabulary a grammar allows next, fast: what a state allows whatever is
// remembered below it is found once, by a walk over all tokens, and kept; a step looks only at
// those that leave the state's rule.
#ifndef SWITCHYARD_WORKER_SAMPLE_GRAMMAR_MASKS_H_
#define SWITCHYARD_WORKER_SAMPLE_GRAMMAR_MASKS_H_

#include <cstdint>
#include <list>
#include <memory>
#include <span>
#include <unordered_map>
#include <vector>

#include "worker/sample/grammar_automaton.h"
#include "worker/sample/grammar_run.h"
#include "worker/sample/token_trie.h"

namespace switchyard::worker {

// One grammar over one vocabulary, for all sequences that it binds. Thread: the step's.
class GrammarMasks {
 public:
  static constexpr size_t kDefaultCacheBytes = size_t{32} << 20;

  // Keeps what was found about the states used last, in `cache_bytes` and the newest one.
  GrammarMasks(std::shared_ptr<const GrammarAutomaton> automaton,
               std::shared_ptr<const TokenTrie> trie, size_t cache_bytes = kDefaultCacheBytes)
      : automaton_(std::move(automaton)), trie_(std::move(trie)), cache_bytes_max_(cache_bytes) {}

  const GrammarAutomaton& automaton() const { return *automaton_; }
  const TokenTrie& trie() const { return *trie_; }

  // Sets the bits of the tokens that can follow where `positions` stand; no other bit changes.
  // `nodes` are those of the positions; more are appended for a while. REQUIRES: mask has
  // trie().mask_words() words.
  void Allow(const GrammarPositions& positions, std::vector<GrammarNode>& nodes,
             std::span<uint32_t> mask);

  // Finds ahead what takes longest, about 10 ms for each state that goes on with much of the
  // vocabulary (text within a string): for 64 of them, or until half of the cache is full. Any
  // thread may do it before the first sequence runs, so that its steps do not wait.
  void Prepare();

  // Of what is kept now.
  size_t cache_bytes() const { return cache_bytes_; }

 private:
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
  struct Entry {
    uint64_t key = 0;
    std::vector<uint32_t> words;  // the tokens as a set; empty where a list is smaller
    std::vector<int32_t> tokens;
    std::vector<Exit> exits;     // by byte
    std::vector<Inside> inside;  // of a loop, by rounds
    size_t bytes() const;
  };

  // The entry of a state, with at most `rounds` more of its loop.
  const Entry& Find(uint32_t state, uint32_t rounds);
  Entry WalkState(uint32_t state);
  Entry CutToRounds(uint32_t state, uint32_t rounds);
  void SetTokens(std::span<const Inside> inside, Entry* entry) const;
  const Entry& Keep(Entry entry);
  static std::vector<Inside> SortedByRounds(const std::vector<Inside>& inside);
  void AddExits(uint32_t n, uint32_t rounds, const GrammarAutomaton::ByteSet& return_bytes,
                Entry* entry) const;
  void AllowExits(const Entry& entry, const GrammarPosition& position,
                  std::vector<GrammarNode>& nodes, std::span<uint32_t> mask);

  // Calls visit(n, positions) for the nodes n of [begin, end) that can be reached from `from`,
  // which stands at the node above `begin`. A visit that returns false goes no further down.
  template <typename Visit>
  void Walk(uint32_t begin, uint32_t end, const GrammarPositions& from,
            std::vector<GrammarNode>& nodes, uint32_t free_loop, Visit visit);

  bool StepPlainly(const GrammarPositions& from, uint8_t byte, GrammarPositions* to) const;

  std::shared_ptr<const GrammarAutomaton> automaton_;
  std::shared_ptr<const TokenTrie> trie_;
  size_t cache_bytes_max_;
  size_t cache_bytes_ = 0;
  std::list<Entry> entries_;  // the one used last stands first
  std::unordered_map<uint64_t, std::list<Entry>::iterator> by_key_;
  // Working memory of Walk, by depth.
  std::vector<GrammarPositions> levels_;
  std::vector<size_t> node_counts_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_GRAMMAR_MASKS_H_
