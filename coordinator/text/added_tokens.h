// Finds added tokens ("<|User|>", "<think>") in text, before anything else looks at it.
#ifndef SWITCHYARD_COORDINATOR_TEXT_ADDED_TOKENS_H_
#define SWITCHYARD_COORDINATOR_TEXT_ADDED_TOKENS_H_

#include <absl/container/flat_hash_map.h>

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "coordinator/text/tokenizer_spec.h"

namespace switchyard::text {

// Bytes [begin, end) of a text.
struct TextRange {
  size_t begin = 0;
  size_t end = 0;
};

// A set of added tokens. Immutable; threads may share it.
class AddedTokens {
 public:
  struct Hit {
    TextRange range;  // with the white space that the token takes
    int32_t id = 0;
  };

  // REQUIRES: contents are distinct and not empty.
  explicit AddedTokens(const std::vector<AddedTokenSpec>& tokens);

  bool empty() const { return tokens_.empty(); }

  // The tokens in `text`, left to right without overlap; of several at one place the longest. A
  // token counts only if it lies in one of `allowed` (in order, disjoint) from end to end; the
  // white space it takes and the word characters that may forbid it are looked at in all of `text`.
  std::vector<Hit> Find(std::string_view text, std::span<const TextRange> allowed) const;

 private:
  struct Flags {
    int32_t id;
    bool single_word;
    bool lstrip;
    bool rstrip;
  };
  struct Found {
    size_t end;
    const Flags* token;
  };

  // The longest token at the head of `text`.
  std::optional<Found> LongestAt(std::string_view text) const;

  std::vector<Flags> tokens_;
  // A trie of the contents: (node, byte) -> node; node 0 is the root.
  absl::flat_hash_map<uint64_t, uint32_t> children_;
  std::vector<int32_t> token_at_node_;  // index in tokens_, -1: none ends here
  std::bitset<256> first_bytes_;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_ADDED_TOKENS_H_
