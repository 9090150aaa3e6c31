#include "worker/sample/token_trie.h"

#include <algorithm>
#include <array>

namespace switchyard::worker {
namespace {

// Marks, which grammars tell apart, each by itself; what they mostly take together in one: digits,
// letters, the bytes of UTF-8 by their part in a character.
constexpr std::array<uint8_t, 256> MakeGroups() {
  std::array<uint8_t, 256> groups = {};
  uint8_t group = 0;
  for (int byte = 1; byte < 256; ++byte) {
    const bool begins = (byte >= 0x20 && byte <= 0x30) || (byte >= 0x3a && byte <= 0x41) ||
                        byte == 'G' || (byte >= 0x5b && byte <= 0x61) || byte == 'g' ||
                        (byte >= 0x7b && byte <= 0x80) || byte == 0xc0 || byte == 0xc2 ||
                        byte == 0xe0 || byte == 0xe1 || byte == 0xed || byte == 0xee ||
                        byte == 0xf0 || byte == 0xf1 || byte == 0xf4 || byte == 0xf5;
    if (begins) ++group;
    groups[byte] = group;
  }
  return groups;
}
constexpr std::array<uint8_t, 256> kGroups = MakeGroups();
static_assert(kGroups[255] < TokenTrie::kNumGroups);

}  // namespace

int TokenTrie::GroupOf(uint8_t byte) { return kGroups[byte]; }

absl::StatusOr<std::shared_ptr<const TokenTrie>> TokenTrie::Create(const v1::TokenTable& table) {
  if (table.lengths_size() > kMaxTokens) {
    return absl::InvalidArgumentError(fmt::format("a token table has {} tokens; {} are allowed",
                                                  table.lengths_size(), kMaxTokens));
  }
  std::shared_ptr<TokenTrie> trie(new TokenTrie);
  trie->offsets_.reserve(table.lengths_size() + 1);
  uint64_t offset = 0;
  trie->offsets_.push_back(offset);
  for (const uint32_t length : table.lengths()) trie->offsets_.push_back(offset += length);
  if (offset != table.bytes().size()) {
    return absl::InvalidArgumentError(fmt::format(
        "a token table has {} bytes; its lengths add up to {}", table.bytes().size(), offset));
  }
  trie->bytes_ = table.bytes();
  trie->Build();
  return trie;
}

void TokenTrie::Build() {
  for (int32_t token = 0; token < vocab_size(); ++token) {
    const size_t length = bytes(token).size();
    if (length > 0 && length <= kMaxTokenBytes) sorted_tokens_.push_back(token);
  }
  std::sort(sorted_tokens_.begin(), sorted_tokens_.end(), [this](int32_t a, int32_t b) {
    const int order = bytes(a).compare(bytes(b));
    return order != 0 ? order < 0 : a < b;
  });
  nodes_.push_back({});
  std::vector<uint32_t> way = {0};  // the nodes above the next one
  std::string_view previous;
  const auto close_to = [&](size_t depth) {
    for (; way.size() > depth + 1; way.pop_back()) nodes_[way.back()].subtree_end = nodes_.size();
  };
  for (uint32_t i = 0; i < sorted_tokens_.size(); ++i) {
    const std::string_view text = bytes(sorted_tokens_[i]);
    const auto differ = std::mismatch(previous.begin(), previous.end(), text.begin(), text.end());
    close_to(differ.second - text.begin());
    while (way.size() <= text.size()) {
      const auto depth = static_cast<uint16_t>(way.size());
      way.push_back(nodes_.size());
      nodes_.push_back(
          {.tokens_begin = i, .depth = depth, .byte = static_cast<uint8_t>(text[depth - 1])});
    }
    max_depth_ = std::max<uint32_t>(max_depth_, text.size());
    previous = text;
  }
  close_to(0);
  nodes_[0].subtree_end = nodes_.size();
  nodes_.push_back({.tokens_begin = static_cast<uint32_t>(sorted_tokens_.size())});
  FindGroups();
}

void TokenTrie::FindGroups() {
  groups_below_.resize(nodes_.size(), 0);
  for (uint32_t n = num_nodes(); n-- > 0;) {
    for (uint32_t child = n + 1; child < nodes_[n].subtree_end; child = nodes_[child].subtree_end) {
      groups_below_[n] |= groups_below_[child] | uint64_t{1} << GroupOf(nodes_[child].byte);
    }
  }
}

int32_t TokenTrie::LongestPrefix(std::string_view text) const {
  int32_t longest = -1;
  uint32_t node = 0;
  for (const char byte : text) {
    uint32_t child = node + 1;
    const uint32_t end = nodes_[node].subtree_end;
    while (child < end && nodes_[child].byte != static_cast<uint8_t>(byte)) {
      child = nodes_[child].subtree_end;
    }
    if (child >= end) break;
    node = child;
    if (!tokens(node).empty()) longest = tokens(node).front();
  }
  return longest;
}

}  // namespace switchyard::worker
