// SentencePiece's own normalization (`Precompiled`): a table from characters to what stands for
// them, as its files carry it.
//
// The bytes: a little-endian u32, the size in bytes of a double-array trie (darts-clone: u32
// units); the trie; texts that end with a zero byte each, which must be UTF-8 as a whole. The trie
// leads from bytes to the place of a text. As the `tokenizers` library applies it: a grapheme
// cluster of fewer than 6 bytes becomes what its shortest beginning in the table stands for; where
// there is none, each of its characters does so by itself.
#ifndef SWITCHYARD_COORDINATOR_TEXT_CHARSMAP_H_
#define SWITCHYARD_COORDINATOR_TEXT_CHARSMAP_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace switchyard::text {

// Immutable; threads may share it.
class Charsmap {
 public:
  // INVALID_ARGUMENT if `bytes` end early or the texts are not UTF-8.
  static absl::StatusOr<Charsmap> Parse(std::string_view bytes);

  // RESOURCE_EXHAUSTED if the text would grow over `max_bytes`. REQUIRES: valid UTF-8. What it
  // gives is valid UTF-8, whatever the table holds.
  absl::StatusOr<std::string> Apply(std::string_view text, size_t max_bytes) const;

 private:
  // What stands for the shortest beginning of `characters` that is in the table.
  std::optional<std::string_view> Find(std::string_view characters) const;

  std::vector<uint32_t> units_;
  std::string texts_;
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_CHARSMAP_H_
