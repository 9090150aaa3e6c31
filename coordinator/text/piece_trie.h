// A vocabulary as a tree of bytes: which of its pieces a text begins with.
#ifndef SWITCHYARD_COORDINATOR_TEXT_PIECE_TRIE_H_
#define SWITCHYARD_COORDINATOR_TEXT_PIECE_TRIE_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace switchyard::text {

// Immutable; threads may share it.
class PieceTrie {
 public:
  static constexpr int32_t kNone = -1;

  struct Piece {
    std::string_view bytes;
    int32_t id = 0;  // not negative
  };

  PieceTrie() = default;
  // REQUIRES: pieces are distinct, not empty, and have fewer than 2^31 bytes in all.
  explicit PieceTrie(std::vector<Piece> pieces);

  // Calls `read(length, id)` with each piece that `text` begins with, the shortest first.
  template <typename Read>
  void ForEachPrefix(std::string_view text, const Read& read) const {
    uint32_t node = 0;
    for (size_t i = 0; i < text.size(); ++i) {
      node = Child(node, uint8_t(text[i]));
      if (node == 0) return;
      if (nodes_[node].id != kNone) read(i + 1, nodes_[node].id);
    }
  }

  // The id of the piece that is all of `text`, or kNone.
  int32_t Find(std::string_view text) const {
    int32_t found = kNone;
    ForEachPrefix(text, [&](size_t length, int32_t id) {
      if (length == text.size()) found = id;
    });
    return found;
  }

 private:
  // The children of a node are neighbours, in the order of their bytes.
  struct Node {
    int32_t id = kNone;  // of the piece that ends here
    uint32_t first_child = 0;
    uint16_t num_children = 0;
    uint8_t byte = 0;  // that leads here
  };

  // 0, which is nobody's child, if there is none.
  uint32_t Child(uint32_t node, uint8_t byte) const {
    if (node == 0) return first_[byte];
    const auto begin = nodes_.begin() + nodes_[node].first_child;
    const auto end = begin + nodes_[node].num_children;
    const auto child =
        std::lower_bound(begin, end, byte, [](const Node& a, uint8_t b) { return a.byte < b; });
    return child != end && child->byte == byte ? uint32_t(child - nodes_.begin()) : 0;
  }

  std::vector<Node> nodes_;            // the root first
  std::array<uint32_t, 256> first_{};  // the root's children
};

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_PIECE_TRIE_H_
