// Block tables: which blocks of one attention group's KV cache hold which sequence. The scheduler
// asks and allocates here; the workers learn of it through StepPlan (SequenceWork.new_blocks,
// StepPlan.released).
#ifndef SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_MANAGER_H_
#define SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_MANAGER_H_

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/units.h"
#include "coordinator/core/kv/block_pool.h"

namespace switchyard::core {

using SequenceId = uint64_t;

// Owned by the scheduler, one for each group. Not thread-safe.
class BlockManager {
 public:
  // REQUIRES: both positive.
  BlockManager(int32_t num_blocks, int32_t block_tokens);

  // Blocks that hold `num_tokens`.
  int32_t BlocksFor(int64_t num_tokens) const {
    return static_cast<int32_t>(CeilDiv(num_tokens, block_tokens_));
  }

  // Whether the sequence's table can grow to cover `num_tokens` and leave `num_spare` blocks free.
  // Changes nothing. A sequence without a table counts as one with an empty table.
  bool CanAllocate(SequenceId sequence, int64_t num_tokens, int32_t num_spare = 0) const;

  // Grows the table to cover `num_tokens` and returns the blocks appended; none if it does already.
  // The result is valid until the next call that changes anything. REQUIRES: CanAllocate(sequence,
  // num_tokens).
  std::span<const int32_t> Allocate(SequenceId sequence, int64_t num_tokens);

  // Drops the table; a sequence without one is no error.
  void Release(SequenceId sequence);

  // The sequence's blocks in order of positions; empty without a table. Valid as Allocate's result
  // is.
  std::span<const int32_t> Table(SequenceId sequence) const;

  int32_t block_tokens() const { return block_tokens_; }
  int32_t num_blocks() const { return pool_.num_blocks(); }
  int32_t num_free() const { return pool_.num_free(); }
  int32_t num_used() const { return num_blocks() - num_free(); }
  int32_t num_tables() const { return static_cast<int32_t>(tables_.size()); }

  // Checks the pool, and that the tables are its only owners.
  void CheckIntegrity() const;

 private:
  const int32_t block_tokens_;
  BlockPool pool_;
  // Looked up by id; no decision walks it, so its order matters to nothing.
  absl::flat_hash_map<SequenceId, std::vector<int32_t>> tables_;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_MANAGER_H_
