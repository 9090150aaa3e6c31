// Sequences that begin alike come, grow, share, publish and go in any order, from a seed: no block
// is lost or handed out twice, and what is found as a prefix holds exactly that beginning.
// SWITCHYARD_SIMULATION_EVENTS sets how many events each run has.
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/random.h"
#include "coordinator/core/kv/block_manager.h"

namespace switchyard::core {
namespace {

constexpr int kEvents = 25'000;  // of a run; what these must bring about, fewer need not

int NumEvents() {
  const char* set = std::getenv("SWITCHYARD_SIMULATION_EVENTS");
  return set == nullptr ? kEvents : std::atoi(set);
}

class BlockSimulation {
 public:
  // `window` of some layers; 0: of none. As many blocks as the others have never run out.
  BlockSimulation(uint64_t seed, int32_t num_blocks, int32_t block_tokens, int32_t window,
                  int32_t num_window_blocks)
      : seed_(seed),
        block_tokens_(block_tokens),
        window_(window),
        manager_(num_blocks, block_tokens, {.num_blocks = num_window_blocks, .window = window}),
        windows_run_out_(num_window_blocks < num_blocks) {}

  void Run(int num_events) {
    for (int event = 0; event < num_events && !::testing::Test::HasFailure(); ++event) {
      switch (Roll(0, 4)) {
        case 0:
        case 1:
          Begin();
          break;
        case 2:
        case 3:
          Grow();
          break;
        default:
          Release();
      }
      manager_.CheckIntegrity();
      CheckTables();
    }
    while (!sequences_.empty()) Release();
    EXPECT_EQ(manager_.num_free(), manager_.num_blocks());
  }
  int64_t num_found() const { return num_found_; }
  int64_t num_refused() const { return num_refused_; }

 private:
  struct Sequence {
    std::vector<int32_t> tokens;
    int32_t prompt_length = 0;
    std::string salt;
    std::vector<int32_t> window_blocks;  // from block `window_base` on
    size_t window_base = 0;
    int32_t slid_to = 0;  // the first position that may still be computed
    TokenChain chain(size_t num_tokens) const {
      return {.salt = salt,
              .prompt_length = prompt_length,
              .tokens = std::span(tokens).first(num_tokens)};
    }
  };
  // Salt, tokens up to the block's end, and which of them are prompt.
  using Content = std::tuple<std::string, std::vector<int32_t>, size_t>;

  int32_t Roll(int32_t low, int32_t high) {
    return low +
           static_cast<int32_t>(RandomBits(seed_, next_++) % static_cast<uint64_t>(high - low + 1));
  }

  static Content ContentOf(const Sequence& sequence, size_t end) {
    return {sequence.salt,
            {sequence.tokens.begin(), sequence.tokens.begin() + static_cast<std::ptrdiff_t>(end)},
            std::min(end, static_cast<size_t>(sequence.prompt_length))};
  }

  void Begin() {
    Sequence sequence{.salt = Roll(0, 5) == 0 ? "other" : ""};
    const int32_t text = Roll(0, 2);
    for (int32_t i = Roll(1, 24); i > 0; --i) sequence.tokens.push_back(text);
    for (int32_t i = Roll(0, 6); i > 0; --i) sequence.tokens.push_back(Roll(0, 2));
    const auto num_tokens = static_cast<int32_t>(sequence.tokens.size());
    sequence.prompt_length = Roll(1, num_tokens);
    const auto prefix = manager_.FindPrefix(sequence.chain(sequence.tokens.size()), num_tokens - 1);
    for (size_t i = 0; i < prefix.size(); ++i) {
      const size_t end = (i + 1) * static_cast<size_t>(block_tokens_);
      ASSERT_EQ(contents_.at(prefix[i]), ContentOf(sequence, end)) << "block " << prefix[i];
    }
    if (manager_.NumFreeNeeded(num_tokens, prefix) > manager_.num_free() ||
        !HasWindowsFor(num_tokens)) {
      ++num_refused_;
      return;
    }
    num_found_ += std::ssize(prefix);
    const SequenceId id = ++last_id_;
    manager_.Begin(id, num_tokens, prefix);
    sequence.slid_to = static_cast<int32_t>(std::ssize(prefix)) * block_tokens_;
    sequence.window_base = FirstSeen(sequence);
    Compute(id, sequences_[id] = std::move(sequence));
  }

  void Grow() {
    if (sequences_.empty()) return;
    auto& [id, sequence] = Any();
    const int32_t more = Roll(1, 9);
    const auto num_tokens = static_cast<int32_t>(sequence.tokens.size()) + more;
    if (!manager_.CanAllocate(id, num_tokens) || !HasWindowsFor(more)) {
      ++num_refused_;
      return;
    }
    manager_.Allocate(id, num_tokens);
    for (int32_t i = 0; i < more; ++i) sequence.tokens.push_back(Roll(0, 1));
    Compute(id, sequence);
  }

  // Where there may be too few, who allocates has to know: a scheduler has enough
  // (core/plan/kv_kinds).
  bool HasWindowsFor(int32_t num_tokens) const {
    return window_ == 0 || !windows_run_out_ ||
           manager_.BlocksFor(num_tokens) + 1 <= manager_.num_window_free();
  }

  size_t FirstSeen(const Sequence& sequence) const {
    return static_cast<size_t>(std::max(sequence.slid_to + 1 - window_, 0) / block_tokens_);
  }

  // What it finds of its window must be there; what is new is written.
  void ComputeWindow(SequenceId id, Sequence& sequence, size_t num_full) {
    if (window_ == 0) return;
    const auto blocks = manager_.CoverWindow(id, std::ssize(sequence.tokens));
    sequence.window_blocks.insert(sequence.window_blocks.end(), blocks.begin(), blocks.end());
    const auto num_found = static_cast<size_t>(sequence.slid_to / block_tokens_);
    for (size_t i = FirstSeen(sequence); i < num_full; ++i) {
      const int32_t block = sequence.window_blocks.at(i - sequence.window_base);
      const Content content = ContentOf(sequence, (i + 1) * static_cast<size_t>(block_tokens_));
      if (i < num_found) {
        ASSERT_EQ(window_contents_.at(block), content) << "window block " << block;
      }
      window_contents_[block] = content;
    }
  }

  void Slide(SequenceId id, Sequence& sequence) {
    if (window_ == 0 || Roll(0, 2) == 0) return;
    sequence.slid_to = static_cast<int32_t>(std::ssize(sequence.tokens));
    manager_.SlideWindow(id, sequence.slid_to);
  }

  // Writes what is in the sequence's blocks and lets the full ones be found.
  void Compute(SequenceId id, Sequence& sequence) {
    const auto table = manager_.Table(id);
    const size_t num_full = sequence.tokens.size() / static_cast<size_t>(block_tokens_);
    for (size_t i = 0; i < num_full; ++i) {
      contents_[table[i]] = ContentOf(sequence, (i + 1) * static_cast<size_t>(block_tokens_));
    }
    ComputeWindow(id, sequence, num_full);
    if (Roll(0, 3) == 0) return;  // not yet
    manager_.Publish(id, sequence.chain(num_full * static_cast<size_t>(block_tokens_)));
    Slide(id, sequence);
  }

  void Release() {
    if (sequences_.empty()) return;
    const SequenceId id = Any().first;
    manager_.Release(id);
    sequences_.erase(id);
  }

  std::pair<const SequenceId, Sequence>& Any() {
    auto it = sequences_.begin();
    std::advance(it, Roll(0, static_cast<int32_t>(sequences_.size()) - 1));
    return *it;
  }

  // Every table still holds its own tokens, and every block in one is counted as used.
  void CheckTables() {
    std::set<int32_t> used;
    for (const auto& [id, sequence] : sequences_) {
      const auto table = manager_.Table(id);
      ASSERT_EQ(std::ssize(table), manager_.BlocksFor(std::ssize(sequence.tokens)));
      used.insert(table.begin(), table.end());
      const size_t num_full = sequence.tokens.size() / static_cast<size_t>(block_tokens_);
      for (size_t i = 0; i < num_full; ++i) {
        ASSERT_EQ(contents_.at(table[i]),
                  ContentOf(sequence, (i + 1) * static_cast<size_t>(block_tokens_)))
            << "sequence " << id << " lost block " << table[i];
      }
      for (size_t i = FirstSeen(sequence); window_ > 0 && i < num_full; ++i) {
        ASSERT_EQ(window_contents_.at(sequence.window_blocks.at(i - sequence.window_base)),
                  ContentOf(sequence, (i + 1) * static_cast<size_t>(block_tokens_)))
            << "sequence " << id << " lost block " << i << " of its window";
      }
    }
    ASSERT_EQ(std::ssize(used), manager_.num_used());
  }

  const uint64_t seed_;
  const int32_t block_tokens_;
  const int32_t window_;
  uint64_t next_ = 0;
  BlockManager manager_;
  const bool windows_run_out_;
  std::map<SequenceId, Sequence> sequences_;
  std::map<int32_t, Content> contents_;  // of full blocks, by block
  std::map<int32_t, Content> window_contents_;
  SequenceId last_id_ = 0;
  int64_t num_found_ = 0;
  int64_t num_refused_ = 0;
};

TEST(BlockSimulation, NoBlockIsLostAndPrefixesHoldWhatTheySay) {
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(seed);
    const int32_t num_blocks = seed % 2 == 0 ? 40 : 15;
    const auto window = seed > 4 ? static_cast<int32_t>(2 * (seed % 4) + 1) : 0;
    const int32_t num_window_blocks = seed > 8 ? num_blocks * 2 / 3 : num_blocks;
    BlockSimulation simulation(seed, num_blocks, /*block_tokens=*/seed % 4 > 1 ? 4 : 2, window,
                               window > 0 ? num_window_blocks : 0);
    simulation.Run(NumEvents());
    ASSERT_FALSE(HasFailure());
    if (NumEvents() < kEvents) continue;
    EXPECT_GT(simulation.num_found(), 500) << "little was shared: the test tests too little";
    EXPECT_GT(simulation.num_refused(), 500) << "blocks never ran out";
  }
}

}  // namespace
}  // namespace switchyard::core
