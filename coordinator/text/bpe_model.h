// Byte-pair encoding: one piece of text to token ids by a ranked list of merges.
#ifndef SWITCHYARD_COORDINATOR_TEXT_BPE_MODEL_H_
#define SWITCHYARD_COORDINATOR_TEXT_BPE_MODEL_H_

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "coordinator/text/tokenizer_spec.h"

namespace switchyard::text {

// Immutable; threads may share it, each with its own scratch.
class BpeModel {
 public:
  // Reused from piece to piece, so that encoding allocates only when a piece is longer than all
  // before it.
  class Scratch {
   private:
    friend class BpeModel;
    static constexpr int32_t kNone = -1;
    static constexpr int32_t kFree = -3;  // minus the next free one: less than kNone
    // The piece as a linked list of symbols; a symbol that was merged into its left neighbour has
    // id -1.
    struct Symbol {
      int32_t id;
      int32_t previous;  // -1: none
      int32_t next;      // -1: none
    };
    // Two neighbours that may merge: the lowest rank comes first, then the leftmost. Those of one
    // rank that were found from left to right stand in a list, a run, of which only the first is in
    // the heap: in a long piece most pairs are found so, and a heap of millions is slow.
    struct Candidate {
      uint64_t order;  // rank in the high half, index of the left symbol in the low
      int32_t result;
      int32_t next;  // of its run, or kNone; of one that is free kFree - the next free
    };
    struct Run {
      uint64_t order;  // of its first
      int32_t first;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> candidates;
    std::vector<Run> heap;
    int32_t first_free = kNone;  // of candidates
    // By rank: where the last of a run may be found. Hints, which stay from piece to piece.
    std::array<int32_t, 4096> last_of_run{};

    int32_t Allocate(const Candidate& candidate);
    // What comes first of all. REQUIRES: there is one.
    Candidate Take();
    void Add(uint32_t rank, int32_t left, int32_t result);
    void Clear();
  };

  // Keeps views into `spec`, which must live, unmoved, as long as the model. INVALID_ARGUMENT if a
  // byte has no token and the spec does not allow that.
  static absl::StatusOr<BpeModel> Create(const TokenizerSpec& spec);

  // Appends the ids of `piece`. Time O(n log n). REQUIRES: fewer than 2^31 bytes.
  void Append(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const;

 private:
  struct Merge {
    uint32_t rank;
    int32_t result;
  };

  // `piece` as symbols that nothing has merged yet.
  void Begin(std::string_view piece, Scratch& scratch) const;
  void MergeAll(std::string_view piece, Scratch& scratch) const;
  void Offer(int32_t left, Scratch& scratch) const;
  const Merge* FindMerge(int32_t left, int32_t right) const;

  Symbols symbols_ = Symbols::kBytes;
  std::array<int32_t, 256> byte_ids_{};
  absl::flat_hash_map<std::string_view, int32_t> character_ids_;  // kCharacters
  absl::flat_hash_map<uint64_t, Merge> merges_;                   // left id << 32 | right id
  // Pieces whose encoding is one token, known from the start: most pieces of real text.
  absl::flat_hash_map<std::string_view, int32_t> whole_pieces_;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_BPE_MODEL_H_
