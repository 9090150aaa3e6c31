#include "coordinator/text/added_tokens.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/check.h"
#include "coordinator/text/utf8.h"

namespace switchyard::text {
namespace {

uint64_t Edge(uint32_t node, char byte) { return uint64_t{node} << 8 | uint8_t(byte); }

// Alphabetic, Mark, Decimal_Number, Connector_Punctuation, Join_Control.
bool IsWord(uint32_t c) {
  const auto in = [&](uint32_t low, uint32_t high) { return low <= c && c <= high; };
  // Alphabetic symbols that are no letters.
  if (in(0x24b6, 0x24e9) || in(0x1f130, 0x1f149) || in(0x1f150, 0x1f169) || in(0x1f170, 0x1f189))
    return true;
  if (in(0x200c, 0x200d)) return true;
  switch (utf8proc_category(int32_t(c))) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
      return true;
    default:
      return false;
  }
}

bool IsWord(std::string_view character) {
  return !character.empty() && IsWord(DecodeUtf8(character));
}

}  // namespace

AddedTokens::AddedTokens(const std::vector<AddedTokenSpec>& tokens) : token_at_node_{-1} {
  for (const AddedTokenSpec& token : tokens) {
    SY_CHECK(!token.content.empty());
    uint32_t node = 0;
    for (const char byte : token.content) {
      const auto [edge, is_new] =
          children_.try_emplace(Edge(node, byte), uint32_t(token_at_node_.size()));
      if (is_new) token_at_node_.push_back(-1);
      node = edge->second;
    }
    SY_CHECK_EQ(token_at_node_[node], -1) << token.content;
    token_at_node_[node] = int32_t(tokens_.size());
    first_bytes_.set(uint8_t(token.content[0]));
    tokens_.push_back({.id = token.id,
                       .single_word = token.single_word,
                       .lstrip = token.lstrip,
                       .rstrip = token.rstrip});
  }
}

std::optional<AddedTokens::Found> AddedTokens::LongestAt(std::string_view text) const {
  if (!first_bytes_.test(uint8_t(text[0]))) return std::nullopt;
  std::optional<Found> longest;
  uint32_t node = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto edge = children_.find(Edge(node, text[i]));
    if (edge == children_.end()) break;
    node = edge->second;
    if (token_at_node_[node] >= 0) longest = Found{i + 1, &tokens_[token_at_node_[node]]};
  }
  return longest;
}

std::vector<AddedTokens::Hit> AddedTokens::Find(std::string_view text,
                                                std::span<const TextRange> allowed) const {
  std::vector<Hit> hits;
  if (empty()) return hits;
  size_t taken = 0;  // everything before it belongs to the hits so far
  for (const TextRange& range : allowed) {
    for (size_t at = range.begin; at < range.end;) {
      const std::optional<Found> found = LongestAt(text.substr(at, range.end - at));
      if (!found.has_value()) {
        ++at;
        continue;
      }
      TextRange hit{at, at + found->end};
      at = hit.end;
      const Flags& token = *found->token;
      if (hit.begin < taken) continue;  // the white space it begins with went to the token before
      if (token.single_word &&
          (IsWord(CharacterBefore(text, hit.begin)) || IsWord(CharacterAfter(text, hit.end))))
        continue;
      while (token.lstrip && hit.begin > taken && IsWhiteSpace(CharacterBefore(text, hit.begin))) {
        hit.begin -= CharacterBefore(text, hit.begin).size();
      }
      while (token.rstrip && IsWhiteSpace(CharacterAfter(text, hit.end))) {
        hit.end += CharacterAfter(text, hit.end).size();
      }
      taken = hit.end;
      hits.push_back({hit, token.id});
    }
  }
  return hits;
}

}  // namespace switchyard::text
