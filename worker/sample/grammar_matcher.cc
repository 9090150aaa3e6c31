#include "worker/sample/grammar_matcher.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace switchyard::worker {

constexpr uint32_t kBottom = GrammarPosition::kBottom;

GrammarMatcher::GrammarMatcher(std::shared_ptr<GrammarMasks> masks) : masks_(std::move(masks)) {
  GrammarRun(masks_->automaton(), stacks_)
      .Enter({.state = masks_->automaton().start()}, &positions_);
}

bool GrammarMatcher::Step(uint8_t byte) {
  GrammarPositions next;
  GrammarRun(masks_->automaton(), stacks_).Step(positions_, byte, &next);
  positions_ = std::move(next);
  return !positions_.none();
}

bool GrammarMatcher::Advance(std::string_view bytes) {
  const size_t num_stacks = stacks_.size();
  bool was_cut = false;
  GrammarPositions after = AdvanceTogether(bytes, &was_cut);
  if (was_cut && after.none()) after = AdvanceApart(bytes);
  if (after.none()) {
    stacks_.Truncate(num_stacks);
    return false;
  }
  positions_ = std::move(after);
  DropUnusedNodes();
  return true;
}

GrammarPositions GrammarMatcher::AdvanceTogether(std::string_view bytes, bool* was_cut) {
  GrammarRun run(masks_->automaton(), stacks_);
  GrammarPositions at = positions_;
  GrammarPositions next;
  for (const char byte : bytes) {
    run.Step(at, static_cast<uint8_t>(byte), &next);
    std::swap(at, next);
    if (at.none()) break;
  }
  *was_cut = run.was_cut();
  return at;
}

// Where there are too many ways together and those that were kept end, the masks, which are found
// for one position at a time, know more of them. What a mask allows must be accepted: so the ways
// of each position are followed as its mask follows them, and only where they come to is dropped
// what is too much. Once there is a way and a mask's work is done, the positions that are left are
// dropped, too.
GrammarPositions GrammarMatcher::AdvanceApart(std::string_view bytes) {
  GrammarPositions after;
  uint64_t work = 0;
  for (const GrammarPosition& position : positions_.all) {
    work += AdvanceOne(position, bytes, &after);
    if (work > masks_->max_mask_work() && !after.none()) break;
  }
  return after;
}

// Like MaskWalk::Find and GrammarMasks::AllowExits along one text: ways within the rule of
// `position`, and for each byte that it ends behind the ways of what it returns to.
uint64_t GrammarMatcher::AdvanceOne(const GrammarPosition& position, std::string_view bytes,
                                    GrammarPositions* to) {
  const GrammarAutomaton& automaton = masks_->automaton();
  GrammarRun outside_run(automaton, stacks_);
  GrammarRun inside_run(automaton, stacks_, GrammarAutomaton::kNoState, position.stack);
  std::vector<GrammarPositions> ways = {{.all = {position}}};  // the first is inside
  GrammarPositions next;
  for (const char byte : bytes) {
    bool ends = false;
    for (size_t i = 0; i < ways.size(); ++i) {
      (i == 0 ? inside_run : outside_run).Step(ways[i], static_cast<uint8_t>(byte), &next);
      std::swap(ways[i], next);
      ends |= i == 0 && !ways[0].ended.empty();
    }
    ways.erase(std::remove_if(ways.begin() + 1, ways.end(),
                              [](const GrammarPositions& way) { return way.none(); }),
               ways.end());
    if (!ends || position.stack == kBottom) continue;
    ways[0].ended.clear();
    outside_run.Enter(outside_run.Return(position.stack), &ways.emplace_back());
  }
  for (const GrammarPositions& way : ways) {
    for (const GrammarPosition& at : way.all) outside_run.Add(at, to);
    if (!way.ended.empty()) to->ended = way.ended;
  }
  return inside_run.TakeWork() + outside_run.TakeWork();
}

bool GrammarMatcher::AdvanceToken(int32_t token) {
  const TokenTrie& trie = masks_->trie();
  if (token < 0 || token >= trie.vocab_size() || trie.bytes(token).empty()) return false;
  return Advance(trie.bytes(token));
}

// Nodes name only nodes before them, so one pass from the end finds all that are in use.
void GrammarMatcher::DropUnusedNodes() {
  std::vector<uint32_t> moved(stacks_.size(), 0);  // 1: in use; then where to
  for (const GrammarPosition& position : positions_.all) {
    if (position.stack != kBottom) moved[position.stack] = 1;
  }
  size_t num_used = 0;
  for (size_t n = stacks_.size(); n-- > 0;) {
    num_used += moved[n];
    if (moved[n] != 0 && stacks_[n].below != kBottom) moved[stacks_[n].below] = 1;
  }
  if (num_used == stacks_.size()) return;
  GrammarStacks used;
  const auto renamed = [&](uint32_t stack) { return stack == kBottom ? kBottom : moved[stack]; };
  for (size_t n = 0; n < stacks_.size(); ++n) {
    if (moved[n] == 0) continue;
    const GrammarNode& node = stacks_[n];
    moved[n] = used.Push({.state = node.state, .count = node.count, .below = renamed(node.below)});
  }
  stacks_ = std::move(used);
  for (GrammarPosition& position : positions_.all) position.stack = renamed(position.stack);
}

bool GrammarMatcher::FillMask(std::span<const int32_t> ending_tokens, std::span<uint32_t> mask,
                              bool* lacks_tokens) {
  SY_CHECK_EQ(static_cast<int64_t>(mask.size()), mask_words());
  std::fill(mask.begin(), mask.end(), 0);
  const bool is_whole = masks_->Allow(positions_, stacks_, mask);
  if (lacks_tokens != nullptr) *lacks_tokens = !is_whole;
  for (const int32_t token : ending_tokens) {
    SY_CHECK(token >= 0 && token < masks_->trie().vocab_size()) << token;
    const uint32_t bit = 1u << (token % 32);
    mask[token / 32] = IsAccepting() ? mask[token / 32] | bit : mask[token / 32] & ~bit;
  }
  return std::any_of(mask.begin(), mask.end(), [](uint32_t word) { return word != 0; });
}

std::string GrammarMatcher::ForcedBytes(size_t max_bytes) const {
  GrammarMatcher ahead = *this;
  std::string forced;
  while (forced.size() < max_bytes && !ahead.IsAccepting()) {
    GrammarAutomaton::ByteSet possible;
    for (const GrammarPosition& position : ahead.positions_.all) {
      const GrammarAutomaton::Loop* loop = masks_->automaton().loop(position.state);
      if (loop != nullptr && position.count == loop->max) continue;
      possible |= masks_->automaton().first_bytes(position.state);
    }
    if (possible.count() != 1) break;
    const size_t byte = possible._Find_first();
    if (!ahead.Step(static_cast<uint8_t>(byte))) break;
    forced += static_cast<char>(byte);
  }
  return forced;
}

std::vector<int32_t> GrammarMatcher::ForcedTokens(int32_t max_tokens) const {
  constexpr size_t kBytesPerToken = 16;  // of names and marks
  const std::string text = ForcedBytes(static_cast<size_t>(max_tokens) * kBytesPerToken);
  std::vector<int32_t> tokens;
  std::string_view rest = text;
  while (!rest.empty() && std::ssize(tokens) < max_tokens) {
    const int32_t token = masks_->trie().LongestPrefix(rest);
    if (token < 0) break;
    tokens.push_back(token);
    rest.remove_prefix(masks_->trie().bytes(token).size());
  }
  return tokens;
}

}  // namespace switchyard::worker
