#include "worker/sample/mask_walk.h"

#include <algorithm>

namespace switchyard::worker {
namespace {

constexpr uint32_t kBottom = GrammarPosition::kBottom;
constexpr uint32_t kNoLimit = GrammarAutomaton::kNoLimit;

// The fewest rounds of the bottom's loop that one of the positions has begun.
uint32_t RoundsBegun(const GrammarPositions& positions, const GrammarStacks& stacks) {
  uint32_t least = kNoLimit;
  for (const GrammarPosition& position : positions.all) {
    const bool is_lowest = position.stack == kBottom;
    least = std::min(least, is_lowest ? position.count : stacks.bottom_count(position.stack));
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

// The groups all of whose bytes are `good`.
template <typename Good>
uint64_t WholeGroups(Good good) {
  uint64_t bad = 0;
  for (int byte = 0; byte < 256; ++byte) {
    if (!good(static_cast<uint8_t>(byte))) {
      bad |= uint64_t{1} << TokenTrie::GroupOf(static_cast<uint8_t>(byte));
    }
  }
  return ~bad;
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

uint64_t MaskWalk::StayingGroups(uint32_t state) {
  if (staying_groups_.empty()) staying_groups_.resize(automaton_->num_states());
  std::optional<uint64_t>& groups = staying_groups_[state];
  if (!groups.has_value()) {
    const bool stays = automaton_->is_plain(state) && !automaton_->ends(state);
    groups =
        stays ? WholeGroups([&](uint8_t b) { return automaton_->Next(state, b) == state; }) : 0;
  }
  return *groups;
}

uint64_t MaskWalk::RoundGroups(const GrammarAutomaton::Loop& loop) const {
  if (!automaton_->is_plain(loop.body)) return 0;
  return WholeGroups([&](uint8_t byte) {
    const uint32_t next = automaton_->Next(loop.body, byte);
    return next != GrammarAutomaton::kNoState && automaton_->is_final(next) &&
           !loop.return_bytes.test(byte);
  });
}

bool MaskWalk::StaysBelow(uint32_t n, const GrammarPositions& positions) {
  if (!positions.ended.empty() || positions.all.empty()) return false;
  const uint64_t below = trie_->groups_below(n);
  return std::all_of(positions.all.begin(), positions.all.end(), [&](const auto& position) {
    return (below & ~StayingGroups(position.state)) == 0;
  });
}

// Most of a vocabulary is words, and most wide states are text, where a letter changes nothing: a
// node with such bytes alone below it is taken whole.
MaskEntry MaskWalk::Find(uint32_t state) {
  MaskEntry entry;
  const uint64_t granted = std::exchange(work_left_, max_state_work_);
  const uint64_t work_before = work_;
  const GrammarAutomaton::Loop* loop = automaton_->loop(state);
  const bool is_loop = loop != nullptr;
  const uint64_t round_groups = is_loop ? RoundGroups(*loop) : 0;
  GrammarStacks stacks;
  GrammarPositions from;
  from.all.push_back({.state = state});
  std::vector<MaskEntry::Inside> inside;
  Walk(1, trie_->num_nodes(), from, stacks, is_loop ? state : GrammarAutomaton::kNoState,
       [&](uint32_t n, const GrammarPositions& positions) {
         if (StaysBelow(n, positions)) {
           const uint32_t rounds = is_loop ? RoundsBegun(positions, stacks) : 0;
           for (const int32_t token : trie_->tokens_from(n)) inside.push_back({rounds, token});
           return false;
         }
         const bool only_counts = is_loop && positions.all.size() == 1 &&
                                  positions.all[0].state == state &&
                                  positions.all[0].stack == kBottom;
         if (only_counts && (trie_->groups_below(n) & ~round_groups) == 0) {
           for (const int32_t token : trie_->tokens_from(n)) {
             const auto length = static_cast<uint32_t>(trie_->bytes(token).size());
             inside.push_back({positions.all[0].count + length - trie_->node(n).depth, token});
           }
           return false;
         }
         const auto tokens = trie_->tokens(n);
         if (!tokens.empty()) {
           const uint32_t rounds = is_loop ? RoundsBegun(positions, stacks) : 0;
           for (const int32_t token : tokens) inside.push_back({rounds, token});
         }
         for (const uint32_t rounds : positions.ended) {
           AddExits(n, rounds, is_loop ? loop->return_bytes : automaton_->return_bytes(), &entry);
         }
         return !positions.all.empty();
       });
  entry.work = work_ - work_before;
  entry.was_cut = is_spent();
  work_left_ = granted;
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
