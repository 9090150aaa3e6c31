#include "coordinator/text/piece_trie.h"

#include "base/check.h"

namespace switchyard::text {
namespace {

// Sorted pieces [begin, end) that share the first `depth` bytes, those that lead to `node`.
struct Shared {
  size_t begin;
  size_t end;
  size_t depth;
};

}  // namespace

// Breadth first, so that the children of a node come one behind the other.
PieceTrie::PieceTrie(std::vector<Piece> pieces) {
  std::sort(pieces.begin(), pieces.end(),
            [](const Piece& a, const Piece& b) { return a.bytes < b.bytes; });
  nodes_.emplace_back();
  std::vector<Shared> shared = {{0, pieces.size(), 0}};  // by node
  for (size_t node = 0; node < nodes_.size(); ++node) {
    auto [at, end, depth] = shared[node];
    if (at < end && pieces[at].bytes.size() == depth) {
      SY_CHECK(depth > 0) << "an empty piece";
      nodes_[node].id = pieces[at++].id;
    }
    nodes_[node].first_child = uint32_t(nodes_.size());
    while (at < end) {
      SY_CHECK(pieces[at].bytes.size() > depth) << "\"" << pieces[at].bytes << "\" is there twice";
      const auto byte = uint8_t(pieces[at].bytes[depth]);
      size_t next = at + 1;
      while (next < end && uint8_t(pieces[next].bytes[depth]) == byte) ++next;
      if (node == 0) first_[byte] = uint32_t(nodes_.size());
      nodes_.push_back({.byte = byte});
      shared.push_back({at, next, depth + 1});
      ++nodes_[node].num_children;
      at = next;
    }
  }
}

}  // namespace switchyard::text
