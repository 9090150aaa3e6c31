#include "worker/sample/grammar_masks.h"

#include <algorithm>

#include "base/check.h"

namespace switchyard::worker {
namespace {

constexpr uint32_t kBottom = GrammarPosition::kBottom;
constexpr uint32_t kNoLimit = GrammarAutomaton::kNoLimit;

void SetBit(std::span<uint32_t> mask, int32_t token) { mask[token / 32] |= 1u << (token % 32); }

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

// How many rounds a position may still begin.
uint32_t RoundsLeft(const GrammarAutomaton::Loop& loop, const GrammarPosition& position) {
  return loop.max == kNoLimit ? kNoLimit : loop.max - position.count;
}

}  // namespace

size_t GrammarMasks::Entry::bytes() const {
  return sizeof(*this) + words.capacity() * sizeof(words[0]) +
         tokens.capacity() * sizeof(tokens[0]) + exits.capacity() * sizeof(exits[0]) +
         inside.capacity() * sizeof(inside[0]);
}

template <typename Visit>
void GrammarMasks::Walk(uint32_t begin, uint32_t end, const GrammarPositions& from,
                        std::vector<GrammarNode>& nodes, uint32_t free_loop, Visit visit) {
  if (begin >= end) return;
  const uint32_t top = trie_->node(begin).depth - 1u;
  const size_t num_levels = trie_->max_depth() - top + 1;
  if (levels_.size() < num_levels) levels_.resize(num_levels);
  if (node_counts_.size() < num_levels) node_counts_.resize(num_levels);
  const size_t num_nodes = nodes.size();
  node_counts_[0] = num_nodes;
  GrammarRun run(*automaton_, nodes, free_loop);
  for (uint32_t n = begin; n < end;) {
    const TokenTrie::Node& node = trie_->node(n);
    const uint32_t level = node.depth - top;
    nodes.resize(node_counts_[level - 1]);
    const GrammarPositions& above = level == 1 ? from : levels_[level - 1];
    GrammarPositions& positions = levels_[level];
    if (!StepPlainly(above, node.byte, &positions)) run.Step(above, node.byte, &positions);
    node_counts_[level] = nodes.size();
    n = positions.none() || !visit(n, positions) ? node.subtree_end : n + 1;
  }
  nodes.resize(num_nodes);
}

// There are few different numbers of rounds: a token has no more of them than bytes.
std::vector<GrammarMasks::Inside> GrammarMasks::SortedByRounds(const std::vector<Inside>& inside) {
  std::vector<size_t> begins(TokenTrie::kMaxTokenBytes + 2);
  for (const Inside& in : inside) ++begins[in.rounds + 1];
  for (size_t r = 1; r < begins.size(); ++r) begins[r] += begins[r - 1];
  std::vector<Inside> sorted(inside.size());
  for (const Inside& in : inside) sorted[begins[in.rounds]++] = in;
  return sorted;
}

// Most steps: one way, which stays in its rule. False where it takes more.
bool GrammarMasks::StepPlainly(const GrammarPositions& from, uint8_t byte,
                               GrammarPositions* to) const {
  if (from.all.size() != 1 || !automaton_->is_plain(from.all[0].state)) return false;
  const uint32_t next = automaton_->Next(from.all[0].state, byte);
  const bool is_none = next == GrammarAutomaton::kNoState;
  if (!is_none && automaton_->ends(next)) return false;
  to->clear();
  if (!is_none) to->all.push_back({.state = next, .stack = from.all[0].stack});
  return true;
}

// A set where that is smaller than a list.
void GrammarMasks::SetTokens(std::span<const Inside> inside, Entry* entry) const {
  if (inside.size() < static_cast<size_t>(trie_->mask_words())) {
    for (const Inside& in : inside) entry->tokens.push_back(in.token);
    return;
  }
  entry->words.resize(trie_->mask_words());
  for (const Inside& in : inside) SetBit(entry->words, in.token);
}

GrammarMasks::Entry GrammarMasks::WalkState(uint32_t state) {
  Entry entry;
  const GrammarAutomaton::Loop* loop = automaton_->loop(state);
  const bool is_loop = loop != nullptr;
  std::vector<GrammarNode> nodes;
  GrammarPositions from;
  from.all.push_back({.state = state});
  std::vector<Inside> inside;
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
  SetTokens(inside, &entry);
  if (is_loop) entry.inside = std::move(inside);
  std::stable_sort(entry.exits.begin(), entry.exits.end(), [&](const Exit& a, const Exit& b) {
    return trie_->node(a.node).byte < trie_->node(b.node).byte;
  });
  entry.exits.shrink_to_fit();
  return entry;
}

// The rule ends at node `n`: what follows is for the state returned to.
void GrammarMasks::AddExits(uint32_t n, uint32_t rounds,
                            const GrammarAutomaton::ByteSet& return_bytes, Entry* entry) const {
  const uint32_t end = trie_->node(n).subtree_end;
  for (uint32_t child = n + 1; child < end; child = trie_->node(child).subtree_end) {
    if (return_bytes.test(trie_->node(child).byte)) {
      entry->exits.push_back({child, rounds});
    }
  }
}

GrammarMasks::Entry GrammarMasks::CutToRounds(uint32_t state, uint32_t rounds) {
  const Entry& whole = Find(state, kNoLimit);
  const auto end = std::partition_point(whole.inside.begin(), whole.inside.end(),
                                        [&](const Inside& in) { return in.rounds <= rounds; });
  Entry cut;
  SetTokens(std::span(whole.inside.begin(), end), &cut);
  std::copy_if(whole.exits.begin(), whole.exits.end(), std::back_inserter(cut.exits),
               [&](const Exit& exit) { return exit.rounds <= rounds; });
  return cut;
}

const GrammarMasks::Entry& GrammarMasks::Keep(Entry entry) {
  cache_bytes_ += entry.bytes();
  by_key_[entry.key] = entries_.insert(entries_.begin(), std::move(entry));
  while (cache_bytes_ > cache_bytes_max_ && entries_.size() > 1) {
    cache_bytes_ -= entries_.back().bytes();
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  return entries_.front();
}

const GrammarMasks::Entry& GrammarMasks::Find(uint32_t state, uint32_t rounds) {
  const uint64_t key = uint64_t{state} << 32 | rounds;
  if (const auto known = by_key_.find(key); known != by_key_.end()) {
    entries_.splice(entries_.begin(), entries_, known->second);
    return entries_.front();
  }
  if (rounds != kNoLimit) {
    const Entry& whole = Find(state, kNoLimit);
    if (whole.inside.empty() || rounds >= whole.inside.back().rounds) return whole;
  }
  Entry entry = rounds == kNoLimit ? WalkState(state) : CutToRounds(state, rounds);
  entry.key = key;
  return Keep(std::move(entry));
}

void GrammarMasks::Prepare() {
  constexpr size_t kManyBytes = 20;  // as the first of a token
  constexpr size_t kMaxStates = 64;
  const auto num_bytes = [this](uint32_t s) { return automaton_->first_bytes(s).count(); };
  std::vector<uint32_t> states;
  for (uint32_t s = 0; s < automaton_->num_states(); ++s) {
    if (num_bytes(s) >= kManyBytes) states.push_back(s);
  }
  std::stable_sort(states.begin(), states.end(),
                   [&](uint32_t a, uint32_t b) { return num_bytes(a) > num_bytes(b); });
  for (size_t i = 0; i < std::min(states.size(), kMaxStates); ++i) {
    if (cache_bytes_ >= cache_bytes_max_ / 2) return;
    const GrammarAutomaton::Loop* loop = automaton_->loop(states[i]);
    Find(loop == nullptr ? states[i] : loop->sibling, kNoLimit);
  }
}

// Tokens that leave the rule of `position` go on where it returns to. Their first byte there is
// stepped over once for all of them.
void GrammarMasks::AllowExits(const Entry& entry, const GrammarPosition& position,
                              std::vector<GrammarNode>& nodes, std::span<uint32_t> mask) {
  if (position.stack == kBottom || entry.exits.empty()) return;
  const size_t num_nodes = nodes.size();
  GrammarRun run(*automaton_, nodes);
  GrammarPositions outside;
  GrammarPositions after;
  run.Enter(run.Return(position.stack), &outside);
  const GrammarAutomaton::Loop* loop = automaton_->loop(position.state);
  const auto may_end = [&](const Exit& exit) {
    if (loop == nullptr) return true;
    const uint64_t rounds = uint64_t{position.count} + exit.rounds;
    return rounds >= loop->min && (loop->max == kNoLimit || rounds <= loop->max);
  };
  const auto set_tokens = [&](uint32_t n) {
    for (const int32_t token : trie_->tokens(n)) SetBit(mask, token);
    return true;
  };
  for (auto exit = entry.exits.begin(); exit != entry.exits.end();) {
    const uint8_t byte = trie_->node(exit->node).byte;
    const auto end = std::partition_point(
        exit, entry.exits.end(), [&](const Exit& e) { return trie_->node(e.node).byte == byte; });
    run.Step(outside, byte, &after);
    if (after.none()) exit = end;
    for (; exit != end; ++exit) {
      if (!may_end(*exit)) continue;
      set_tokens(exit->node);
      Walk(exit->node + 1, trie_->node(exit->node).subtree_end, after, nodes,
           GrammarAutomaton::kNoState, [&](uint32_t n, const auto&) { return set_tokens(n); });
    }
    nodes.resize(num_nodes);
  }
}

void GrammarMasks::Allow(const GrammarPositions& positions, std::vector<GrammarNode>& nodes,
                         std::span<uint32_t> mask) {
  SY_CHECK_EQ(static_cast<int64_t>(mask.size()), trie_->mask_words());
  for (const GrammarPosition& position : positions.all) {
    if (automaton_->first_bytes(position.state).none()) continue;
    const GrammarAutomaton::Loop* loop = automaton_->loop(position.state);
    const uint32_t rounds = loop == nullptr ? kNoLimit : RoundsLeft(*loop, position);
    if (rounds == 0) continue;
    // What is found without limits is the same for all loops with one body.
    const Entry& entry = Find(loop == nullptr ? position.state : loop->sibling, rounds);
    for (size_t w = 0; w < entry.words.size(); ++w) mask[w] |= entry.words[w];
    for (const int32_t token : entry.tokens) SetBit(mask, token);
    AllowExits(entry, position, nodes, mask);
  }
}

}  // namespace switchyard::worker
