// The Unigram model of SentencePiece: of all ways to cut a piece of text into tokens, the one with
// the largest sum of scores.
//
// As the `tokenizers` library defines it: a character that no token of its own spells may be the
// unknown token at 10 below the lowest score; sums are in double from left to right; of equal sums
// the one whose last token begins earlier wins. Unknown characters that touch are one: a token if
// they spell one, else the tokens of their bytes where the model falls back on bytes, else the
// unknown token.
#ifndef SWITCHYARD_COORDINATOR_TEXT_UNIGRAM_MODEL_H_
#define SWITCHYARD_COORDINATOR_TEXT_UNIGRAM_MODEL_H_

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "coordinator/text/piece_trie.h"
#include "coordinator/text/tokenizer_spec.h"

namespace switchyard::text {

// Immutable; threads may share it, each with its own scratch.
class UnigramModel {
 public:
  // Reused from piece to piece, so that encoding allocates only when a piece is longer than all
  // before it. 16 bytes for each byte of the longest piece, and 4 for each of its tokens.
  class Scratch {
   private:
    friend class UnigramModel;
    // The best way to cut the text before a place.
    struct Place {
      double score = 0;
      int32_t begin = -1;  // of its last token; -1: no token ends here
      int32_t id = 0;
    };
    std::vector<Place> places;
    std::vector<int32_t> ends;  // of the tokens of the best way, the last one first
  };

  // REQUIRES: spec.unigram holds a value. INVALID_ARGUMENT if a token is too long to be looked for
  // at every place.
  static absl::StatusOr<UnigramModel> Create(const TokenizerSpec& spec);

  // Appends the ids of `piece`. Time O(bytes x longest token). REQUIRES: valid UTF-8, fewer than
  // 2^31 bytes.
  void Append(std::string_view piece, Scratch& scratch, std::vector<int32_t>& ids) const;

 private:
  void FindBest(std::string_view piece, Scratch& scratch) const;
  void AppendUnknown(std::string_view characters, std::vector<int32_t>& ids) const;

  PieceTrie trie_;
  std::vector<double> scores_;  // by id
  double unknown_score_ = 0;
  int32_t unk_id_ = 0;
  bool falls_back_ = false;
  std::array<int32_t, 256> byte_ids_{};  // PieceTrie::kNone: the byte has no token
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_UNIGRAM_MODEL_H_
