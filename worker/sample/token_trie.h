// The vocabulary as a tree of bytes: tokens that begin alike share the way to where they differ, so
// that a grammar is asked once for what many tokens have in common.
#ifndef SWITCHYARD_WORKER_SAMPLE_TOKEN_TRIE_H_
#define SWITCHYARD_WORKER_SAMPLE_TOKEN_TRIE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "proto/grammar.pb.h"

namespace switchyard::worker {

// Built once for a model and never changed; any thread may read it.
//
// Nodes stand in the order of a walk that goes down first: a node's subtree is the range
// [node, subtree_end), its first child, if any, is node + 1. Node 0 is the root, the empty string.
class TokenTrie {
 public:
  // Tokens with more bytes are in no tree: no grammar allows them.
  static constexpr uint32_t kMaxTokenBytes = 1024;
  static constexpr int64_t kMaxTokens = int64_t{1} << 23;

  struct Node {
    uint32_t subtree_end = 0;
    uint32_t tokens_begin = 0;  // of the subtree's tokens, in tokens()
    uint16_t depth = 0;         // bytes from the root
    uint8_t byte = 0;           // the last of them
  };

  // INVALID_ARGUMENT when lengths and bytes do not fit each other, or there are too many tokens.
  static absl::StatusOr<std::shared_ptr<const TokenTrie>> Create(const v1::TokenTable& table);

  int64_t vocab_size() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  // 32-bit words of a set of tokens.
  int64_t mask_words() const { return (vocab_size() + 31) / 32; }
  uint32_t max_depth() const { return max_depth_; }

  uint32_t num_nodes() const { return static_cast<uint32_t>(nodes_.size()) - 1; }
  const Node& node(uint32_t n) const { return nodes_[n]; }

  // Tokens whose bytes are exactly the way to node `n`: several where the vocabulary has doubles.
  std::span<const int32_t> tokens(uint32_t n) const {
    return Tokens(nodes_[n].tokens_begin, nodes_[n + 1].tokens_begin);
  }

  // All tokens whose way leads through node `n`, those of the node itself among them.
  std::span<const int32_t> tokens_from(uint32_t n) const {
    return Tokens(nodes_[n].tokens_begin, nodes_[nodes_[n].subtree_end].tokens_begin);
  }

  // Bytes that text uses alike are in one of kNumGroups groups: a small set that stands for many.
  static constexpr int kNumGroups = 64;
  static int GroupOf(uint8_t byte);
  // The groups of all bytes below node `n`, a bit each.
  uint64_t groups_below(uint32_t n) const { return groups_below_[n]; }

  // The longest token that `text` begins with, of doubles the first; -1: none.
  int32_t LongestPrefix(std::string_view text) const;

  // The bytes of one token; empty for a special one. REQUIRES: 0 <= token < vocab_size().
  std::string_view bytes(int32_t token) const {
    return std::string_view(bytes_).substr(offsets_[token], offsets_[token + 1] - offsets_[token]);
  }

 private:
  TokenTrie() = default;

  void Build();
  void FindGroups();
  std::span<const int32_t> Tokens(uint32_t begin, uint32_t end) const {
    return std::span(sorted_tokens_).subspan(begin, end - begin);
  }

  std::string bytes_;
  std::vector<uint64_t> offsets_;       // in bytes_, by token, and the end
  std::vector<int32_t> sorted_tokens_;  // by bytes, then id
  std::vector<Node> nodes_;             // and one that ends the last
  std::vector<uint64_t> groups_below_;  // by node
  uint32_t max_depth_ = 0;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_SAMPLE_TOKEN_TRIE_H_
