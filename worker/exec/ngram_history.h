// What a sequence has said so far, to guess what it says next: text repeats itself.
#ifndef SWITCHYARD_WORKER_EXEC_NGRAM_HISTORY_H_
#define SWITCHYARD_WORKER_EXEC_NGRAM_HISTORY_H_

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace switchyard::worker {

// Costs about forty bytes a token. Depends on the tokens alone, so every rank guesses alike.
// Thread: the step's.
class NgramHistory {
 public:
  // Tokens in a row that must have come before: the longest run is looked for first.
  static constexpr int kLongest = 4;
  static constexpr int kShortest = 2;

  // Tokens at `position` on; those that are there already are passed over. REQUIRES: position <=
  // size().
  void Append(int32_t position, std::span<const int32_t> tokens);
  int32_t size() const { return static_cast<int32_t>(tokens_.size()); }

  // What followed when the last few tokens came before, `max_tokens` of it at most; empty if they
  // never did.
  std::span<const int32_t> Continuation(int32_t max_tokens) const;

 private:
  // Of the `length` tokens before `end`.
  uint64_t HashOf(int32_t end, int length) const;

  std::vector<int32_t> tokens_;
  // By length: where the token behind such a run stood the last time.
  std::array<absl::flat_hash_map<uint64_t, int32_t>, kLongest - kShortest + 1> ends_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_EXEC_NGRAM_HISTORY_H_
