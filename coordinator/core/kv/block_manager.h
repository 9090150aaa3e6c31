// Block tables: which blocks of one attention group's KV cache hold which sequence. The scheduler
// asks and allocates here; the workers learn of it through StepPlan (SequenceWork.new_blocks,
// StepPlan.released).
//
// Sequences share the full blocks of a common beginning (PrefixCache). A block is free as soon as
// no table has it; that it still can be found there until it is handed out again costs nothing.
//
// Where some layers see a window alone, their blocks are a kind of their own (WindowBlocks). They
// never run out before the others do, so who asks for room asks for the others.
#ifndef SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_MANAGER_H_
#define SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_MANAGER_H_

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/units.h"
#include "coordinator/core/kv/block_pool.h"
#include "coordinator/core/kv/prefix_cache.h"
#include "coordinator/core/kv/window_blocks.h"

namespace switchyard::core {

using SequenceId = uint64_t;

// Owned by the scheduler, one for each group. Not thread-safe.
class BlockManager {
 public:
  // REQUIRES: both positive. `windows` of no blocks: all layers are of one kind.
  BlockManager(int32_t num_blocks, int32_t block_tokens, const WindowBlocks::Size& windows = {});

  // Blocks that hold `num_tokens`.
  int32_t BlocksFor(int64_t num_tokens) const {
    return static_cast<int32_t>(CeilDiv(num_tokens, block_tokens_));
  }

  // Whether the sequence's table can grow to cover `num_tokens` and leave `num_spare` blocks free.
  // Changes nothing. A sequence without a table counts as one with an empty table.
  bool CanAllocate(SequenceId sequence, int64_t num_tokens, int32_t num_spare = 0) const;

  // Grows the table to cover `num_tokens` and returns the blocks appended; none if it does already.
  // Without a table one begins, unless layers are of two kinds.
  // The result is valid until the next call that changes anything. REQUIRES: CanAllocate(sequence,
  // num_tokens).
  std::span<const int32_t> Allocate(SequenceId sequence, int64_t num_tokens);

  // The blocks that hold the beginning of the chain, of its first `max_tokens` tokens at most.
  // Valid until the next call that changes anything.
  std::vector<int32_t> FindPrefix(const TokenChain& chain, int64_t max_tokens) const;

  // How many free blocks a new sequence of `num_tokens` takes whose first blocks are `prefix`.
  int32_t NumFreeNeeded(int64_t num_tokens, std::span<const int32_t> prefix) const;

  // Begins a table with `prefix`, found just now, and grows it to cover `num_tokens`; returns all
  // of it. REQUIRES: no table, and NumFreeNeeded(num_tokens, prefix) <= num_free().
  std::span<const int32_t> Begin(SequenceId sequence, int64_t num_tokens,
                                 std::span<const int32_t> prefix);

  // Of layers with a window, if they are a kind of their own: grows the sequence's table to cover
  // `num_tokens`, and returns its blocks that were not returned yet (after Begin, those for the
  // tokens that the first query sees among them). Valid as Allocate's result is. REQUIRES: a table.
  std::span<const int32_t> CoverWindow(SequenceId sequence, int64_t num_tokens) {
    if (!windows_) return {};
    return windows_->Cover(sequence, num_tokens);
  }
  // No query before `position` will be computed any more. REQUIRES: a table.
  void SlideWindow(SequenceId sequence, int64_t position) {
    if (windows_) windows_->Slide(sequence, position);
  }

  // Makes the full blocks of the sequence findable that `chain` covers. REQUIRES: a table, in which
  // the chain's tokens are computed, or will be before any step that is planned from now on.
  void Publish(SequenceId sequence, const TokenChain& chain);

  // Drops the table; a sequence without one is no error.
  void Release(SequenceId sequence);

  // The sequence's blocks in order of positions; empty without a table. Valid as Allocate's result
  // is.
  std::span<const int32_t> Table(SequenceId sequence) const;

  int32_t block_tokens() const { return block_tokens_; }
  int32_t num_blocks() const { return pool_.num_blocks(); }
  int32_t num_free() const { return pool_.num_free(); }
  int32_t num_used() const { return num_blocks() - num_free(); }
  int32_t num_window_free() const { return windows_ ? windows_->num_free() : 0; }
  int32_t num_tables() const { return static_cast<int32_t>(tables_.size()); }
  // Whether more than one table has the block.
  bool IsShared(int32_t block) const { return pool_.owners(block) > 1; }
  // Blocks that can be found, owned or free.
  int32_t num_published() const { return prefixes_.num_published(); }

  // Checks the pool, that the tables are its only owners, and that the blocks kept for what they
  // hold are the findable ones, ends of chains first.
  void CheckIntegrity() const;

 private:
  struct BlockTable {
    std::vector<int32_t> blocks;
    int32_t num_published = 0;  // of the first blocks
  };

  void Grow(BlockTable& table, int64_t num_tokens);
  // Pairs the windows' blocks of the sequence with the full blocks that hold its first `num_full`,
  // which other sequences have published.
  void PairWithOthers(SequenceId sequence, const TokenChain& chain, int32_t num_full);

  const int32_t block_tokens_;
  BlockPool pool_;
  PrefixCache prefixes_;
  std::optional<WindowBlocks> windows_;  // none: one kind
  // Looked up by id; no decision walks it, so its order matters to nothing.
  absl::flat_hash_map<SequenceId, BlockTable> tables_;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_MANAGER_H_
