#include "worker/sample/grammar_masks.h"

#include <algorithm>

#include "base/check.h"

namespace switchyard::worker {
namespace {

constexpr uint32_t kBottom = GrammarPosition::kBottom;
constexpr uint32_t kNoLimit = GrammarAutomaton::kNoLimit;
constexpr uint32_t kNoState = GrammarAutomaton::kNoState;

// What is found ahead.
constexpr size_t kManyBytes = 20;  // as the first of a token: a walk goes over much of the trie
constexpr size_t kMaxStatesAhead = 64;

void SetBit(std::span<uint32_t> mask, int32_t token) { mask[token / 32] |= 1u << (token % 32); }

// How many rounds a position may still begin.
uint32_t RoundsLeft(const GrammarAutomaton::Loop& loop, const GrammarPosition& position) {
  return loop.max == kNoLimit ? kNoLimit : loop.max - position.count;
}

// What is found without limits is the same for all loops with one body.
uint32_t FirstWithBody(const GrammarAutomaton& automaton, uint32_t state) {
  const GrammarAutomaton::Loop* loop = automaton.loop(state);
  return loop == nullptr ? state : loop->sibling;
}

// How many bytes a text has at least when it comes to each state, calls taken for one byte.
std::vector<uint32_t> Distances(const GrammarAutomaton& automaton) {
  std::vector<uint32_t> distances(automaton.num_states(), kNoLimit);
  std::vector<uint32_t> at = {automaton.start()};  // what has the distance
  for (uint32_t distance = 0; !at.empty(); ++distance) {
    std::vector<uint32_t> next;
    while (!at.empty()) {
      const uint32_t state = at.back();
      at.pop_back();
      if (distances[state] <= distance) continue;
      distances[state] = distance;
      for (const GrammarAutomaton::Call& call : automaton.calls(state)) {
        at.push_back(call.target);
        next.push_back(call.returns);
      }
      if (const auto* loop = automaton.loop(state)) at.push_back(loop->body);
      uint32_t last = kNoState;
      for (int byte = 0; byte < 256; ++byte) {
        const uint32_t to = automaton.Next(state, static_cast<uint8_t>(byte));
        if (to != kNoState && to != last) next.push_back(to);
        last = to;
      }
    }
    at = std::move(next);
  }
  return distances;
}

// Those that go on with many bytes, the nearest last.
std::vector<uint32_t> WideStates(const GrammarAutomaton& automaton) {
  const std::vector<uint32_t> distances = Distances(automaton);
  std::vector<uint32_t> nearest(automaton.num_states(), kNoLimit);  // of loops with one body
  for (uint32_t s = 0; s < automaton.num_states(); ++s) {
    uint32_t& distance = nearest[FirstWithBody(automaton, s)];
    distance = std::min(distance, distances[s]);
  }
  std::vector<uint32_t> states;
  for (uint32_t s = 0; s < automaton.num_states(); ++s) {
    if (nearest[s] != kNoLimit && automaton.first_bytes(s).count() >= kManyBytes) {
      states.push_back(s);
    }
  }
  std::stable_sort(states.begin(), states.end(),
                   [&](uint32_t a, uint32_t b) { return nearest[a] < nearest[b]; });
  if (states.size() > kMaxStatesAhead) states.resize(kMaxStatesAhead);
  std::reverse(states.begin(), states.end());
  return states;
}

}  // namespace

GrammarMasks::GrammarMasks(std::shared_ptr<const GrammarAutomaton> automaton,
                           std::shared_ptr<const TokenTrie> trie, size_t cache_bytes)
    : walk_(automaton, trie),
      cache_bytes_max_(cache_bytes),
      ahead_(std::make_unique<Ahead>()),
      walk_ahead_(std::move(automaton), std::move(trie)) {}

bool GrammarMasks::PrepareOne() {
  if (!states_ahead_.has_value()) states_ahead_ = WideStates(walk_ahead_.automaton());
  std::unique_lock lock(ahead_->mutex);
  while (!states_ahead_->empty() && ahead_->asked_for.count(states_ahead_->back()) > 0) {
    states_ahead_->pop_back();
  }
  if (states_ahead_->empty() || ahead_->ready_bytes >= cache_bytes_max_ / 2) return false;
  const uint32_t state = ahead_->under_way = states_ahead_->back();
  states_ahead_->pop_back();
  lock.unlock();
  MaskEntry entry = walk_ahead_.Find(state);
  lock.lock();
  ahead_->under_way = kNoState;
  ahead_->ready_bytes += entry.bytes();
  ahead_->ready.emplace(state, std::move(entry));
  ahead_->found.notify_all();
  return !states_ahead_->empty();
}

MaskEntry GrammarMasks::FindWhole(uint32_t state) {
  {
    std::unique_lock lock(ahead_->mutex);
    ahead_->asked_for.insert(state);
    ahead_->found.wait(lock, [&] { return ahead_->under_way != state; });
    if (auto node = ahead_->ready.extract(state)) {
      ahead_->ready_bytes -= node.mapped().bytes();
      return std::move(node.mapped());
    }
  }
  return walk_.Find(state);
}

MaskEntry GrammarMasks::CutToRounds(uint32_t state, uint32_t rounds) {
  const Entry& whole = Find(state, kNoLimit);
  const auto end =
      std::partition_point(whole.inside.begin(), whole.inside.end(),
                           [&](const MaskEntry::Inside& in) { return in.rounds <= rounds; });
  MaskEntry cut;
  cut.work = whole.work;
  cut.was_cut = whole.was_cut;
  cut.SetTokens(std::span(whole.inside.begin(), end), static_cast<size_t>(trie().mask_words()));
  std::copy_if(whole.exits.begin(), whole.exits.end(), std::back_inserter(cut.exits),
               [&](const MaskEntry::Exit& exit) { return exit.rounds <= rounds; });
  return cut;
}

size_t GrammarMasks::cache_bytes() const {
  std::lock_guard lock(ahead_->mutex);
  return cache_bytes_ + ahead_->ready_bytes;
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
  return Keep({rounds == kNoLimit ? FindWhole(state) : CutToRounds(state, rounds), key});
}

bool GrammarMasks::AllowsAllFrom(uint32_t n, std::span<const uint32_t> mask) {
  const std::span<const int32_t> tokens = trie().tokens_from(n);
  const auto missing = std::find_if(tokens.begin(), tokens.end(), [&](int32_t token) {
    return (mask[token / 32] >> (token % 32) & 1) == 0;
  });
  walk_.Spend(static_cast<uint64_t>(missing - tokens.begin()) / 2);
  return missing == tokens.end();
}

// Tokens that leave the rule of `position` go on where it returns to. Their first byte there is
// stepped over once for all of them.
void GrammarMasks::AllowExits(const MaskEntry& entry, const GrammarPosition& position,
                              GrammarStacks& stacks, std::span<uint32_t> mask) {
  if (position.stack == kBottom || entry.exits.empty()) return;
  GrammarRun run(automaton(), stacks);
  GrammarPositions outside;
  GrammarPositions after;
  run.Enter(run.Return(position.stack), &outside);
  const size_t num_stacks = stacks.size();
  const GrammarAutomaton::Loop* loop = automaton().loop(position.state);
  const auto may_end = [&](const MaskEntry::Exit& exit) {
    if (loop == nullptr) return true;
    const uint64_t rounds = uint64_t{position.count} + exit.rounds;
    return rounds >= loop->min && (loop->max == kNoLimit || rounds <= loop->max);
  };
  // False where nothing is left to add further down.
  const auto add_tokens = [&](uint32_t n) {
    for (const int32_t token : trie().tokens(n)) SetBit(mask, token);
    return trie().node(n).subtree_end > n + 1 && !AllowsAllFrom(n, mask);
  };
  for (auto exit = entry.exits.begin(); exit != entry.exits.end() && !walk_.is_spent();) {
    const uint8_t byte = trie().node(exit->node).byte;
    const auto end = std::partition_point(exit, entry.exits.end(), [&](const MaskEntry::Exit& e) {
      return trie().node(e.node).byte == byte;
    });
    run.Step(outside, byte, &after);
    walk_.Spend(MaskWalk::kNodeWork + run.TakeWork());
    if (after.none()) exit = end;
    for (; exit != end && walk_.Spend(1); ++exit) {
      if (!may_end(*exit) || !add_tokens(exit->node)) continue;
      walk_.Walk(exit->node + 1, trie().node(exit->node).subtree_end, after, stacks, kNoState,
                 [&](uint32_t n, const auto&) { return add_tokens(n); });
    }
    stacks.Truncate(num_stacks);
  }
}

void GrammarMasks::AllowBytes(const GrammarAutomaton::ByteSet& bytes,
                              std::span<uint32_t> mask) const {
  for (uint32_t n = 1; n < trie().num_nodes(); n = trie().node(n).subtree_end) {
    if (!bytes.test(trie().node(n).byte)) continue;
    for (const int32_t token : trie().tokens(n)) SetBit(mask, token);
  }
}

bool GrammarMasks::Allow(const GrammarPositions& positions, GrammarStacks& stacks,
                         std::span<uint32_t> mask) {
  SY_CHECK_EQ(static_cast<int64_t>(mask.size()), trie().mask_words());
  walk_.Grant(max_mask_work());
  bool is_whole = true;
  for (const GrammarPosition& position : positions.all) {
    const GrammarAutomaton::ByteSet& first_bytes = automaton().first_bytes(position.state);
    if (first_bytes.none()) continue;
    const GrammarAutomaton::Loop* loop = automaton().loop(position.state);
    const uint32_t rounds = loop == nullptr ? kNoLimit : RoundsLeft(*loop, position);
    if (rounds == 0) continue;
    bool was_cut = walk_.is_spent();
    if (!was_cut) {
      const Entry& entry = Find(FirstWithBody(automaton(), position.state), rounds);
      for (size_t w = 0; w < entry.words.size(); ++w) mask[w] |= entry.words[w];
      for (const int32_t token : entry.tokens) SetBit(mask, token);
      walk_.Spend(entry.work / kStateUses);
      AllowExits(entry, position, stacks, mask);
      was_cut = entry.was_cut || walk_.is_spent();
    }
    if (was_cut) AllowBytes(first_bytes, mask);
    is_whole = is_whole && !was_cut;
  }
  return is_whole;
}

}  // namespace switchyard::worker
