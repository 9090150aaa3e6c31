#include "worker/sample/mask_walk.h"

#include <algorithm>

namespace switchyard::worker {
namespace {

constexpr uint32_t kBottom = GrammarPosition::kBottom;
constexpr uint32_t kNoLimit = GrammarAutomaton::kNoLimit;

// The fewest rounds of the bottom's loop that one of the positions has begun.
uint32_t RoundsBegun(const GrammarPositions& positions, const std::vector<GrammarNode>& nodes) {
  uint32_t least = kNoLimit;
  for (const GrammarPosition& position : positions.all) {
    uint32_t rounds = position.count;
    for (uint32_t n = position.stack; n != kBottom; n = nodes[n].below) rounds = nodes[n].count;
    least = std::min(least, rounds);
  }
  for (const uint32_t rounds : positions.ended) least = std::min(least, rounds);
  return least;
}

// There are few different numbers of rounds: a token has no more of them than bytes.
std::vector<MaskEntry::Inside> SortedByRounds(const std::vector<MaskEntry::Inside>& inside) {
  std::vector<size_t> begins(TokenTrie::kMaxTokenBytes + 2);
  for (const MaskEntry::Inside& in : inside) ++begins[in.rounds + 1];
  for (size_t r = 1; r < begins.size(); ++r) begins[r] += begins[r - 1];
  std::vector<MaskEntry::Inside> sorted(inside.size());
  for (const MaskEntry::Inside& in : inside) sorted[begins[in.rounds]++] = in;
  return sorted;
}

}  // namespace

size_t MaskEntry::bytes() const {
  return sizeof(*this) + words.capacity() * sizeof(words[0]) +
         tokens.capacity() * sizeof(tokens[0]) + exits.capacity() * sizeof(exits[0]) +
         inside.capacity() * sizeof(inside[0]);
}

void MaskEntry::SetTokens(std::span<const Inside> allowed, size_t num_words) {
  if (allowed.size() < num_words) {
    for (const Inside& in : allowed) tokens.push_back(in.token);
    return;
  }
  words.resize(num_words);
  for (const Inside& in : allowed) {
    const auto token = static_cast<uint32_t>(in.token);
    words[token / 32] |= 1u << (token % 32);
  }
}

// Most steps: one way, which stays in its rule. False where it takes more.
bool MaskWalk::StepPlainly(const GrammarPositions& from, uint8_t byte, GrammarPositions* to) const {
  if (from.all.size() != 1 || !automaton_->is_plain(from.all[0].state)) return false;
  const uint32_t next = automaton_->Next(from.all[0].state, byte);
  const bool is_none = next == GrammarAutomaton::kNoState;
  if (!is_none && automaton_->ends(next)) return false;
  to->clear();
  if (!is_none) to->all.push_back({.state = next, .stack = from.all[0].stack});
  return true;
}

MaskEntry MaskWalk::Find(uint32_t state) {
  MaskEntry entry;
  const GrammarAutomaton::Loop* loop = automaton_->loop(state);
  const bool is_loop = loop != nullptr;
  std::vector<GrammarNode> nodes;
  GrammarPositions from;
  from.all.push_back({.state = state});
  std::vector<MaskEntry::Inside> inside;
  Walk(1, trie_->num_nodes(), from, nodes, is_loop ? state : GrammarAutomaton::kNoState,
       [&](uint32_t n, const GrammarPositions& positions) {
         const auto tokens = trie_->tokens(n);
         if (!tokens.empty()) {
           const uint32_t rounds = is_loop ? RoundsBegun(positions, nodes) : 0;
           for (const int32_t token : tokens) inside.push_back({rounds, token});
         }
         for (const uint32_t rounds : positions.ended) {
           AddExits(n, rounds, is_loop ? loop->return_bytes : automaton_->return_bytes(), &entry);
         }
         return !positions.all.empty();
       });
  if (is_loop) inside = SortedByRounds(inside);
  entry.SetTokens(inside, static_cast<size_t>(trie_->mask_words()));
  if (is_loop) entry.inside = std::move(inside);
  std::stable_sort(entry.exits.begin(), entry.exits.end(),
                   [&](const MaskEntry::Exit& a, const MaskEntry::Exit& b) {
                     return trie_->node(a.node).byte < trie_->node(b.node).byte;
                   });
  entry.exits.shrink_to_fit();
  return entry;
}

// The rule ends at node `n`: what follows is for the state returned to.
void MaskWalk::AddExits(uint32_t n, uint32_t rounds, const GrammarAutomaton::ByteSet& return_bytes,
                        MaskEntry* entry) const {
  const uint32_t end = trie_->node(n).subtree_end;
  for (uint32_t child = n + 1; child < end; child = trie_->node(child).subtree_end) {
    if (return_bytes.test(trie_->node(child).byte)) {
      entry->exits.push_back({child, rounds});
    }
  }
}

}  // namespace switchyard::worker
