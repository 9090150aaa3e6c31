// The blocks of layers that see a window alone (docs/kv-kinds.md): a pool beside that of all other
// layers, whose blocks go back as soon as they lie behind the window of every later query.
//
// A sequence's table has entry i for the same tokens as entry i of its full table; what lies behind
// the window is missing from it. What a block holds is found through the full block that holds the
// same tokens, its twin: whoever finds a chain of full blocks finds their twins, as far as they are
// still there.
#ifndef SWITCHYARD_COORDINATOR_CORE_KV_WINDOW_BLOCKS_H_
#define SWITCHYARD_COORDINATOR_CORE_KV_WINDOW_BLOCKS_H_

#include <absl/container/flat_hash_map.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/units.h"
#include "coordinator/core/kv/block_pool.h"

namespace switchyard::core {

// Owned by a BlockManager. Not thread-safe.
class WindowBlocks {
 public:
  struct Size {
    int32_t num_blocks = 0;
    int32_t window = 0;  // tokens that a query sees, its own among them
  };
  // REQUIRES: all positive, and enough blocks for what the owner will ask of it
  // (NumWindowBlocks in core/plan/kv_kinds.h).
  WindowBlocks(const Size& size, int32_t num_full_blocks, int32_t block_tokens);

  // The first block that a query at `position` or behind sees.
  int32_t FirstSeen(int64_t position) const {
    return static_cast<int32_t>(std::max<int64_t>(position + 1 - window_, 0) / block_tokens_);
  }

  // How many of these full blocks, a chain's first, a new sequence can begin with: the twins that
  // its first query sees are there. As many as possible.
  int32_t NumUsable(std::span<const int32_t> full_blocks) const;

  // Begins a table behind these full blocks, of which all are usable.
  void Begin(uint64_t sequence, std::span<const int32_t> full_blocks);

  // Grows the table to cover `num_tokens`. Returns its blocks that were not told yet, those that it
  // began with among them; valid until the next call that changes anything. REQUIRES: a table.
  std::span<const int32_t> Cover(uint64_t sequence, int64_t num_tokens);

  // Gives back what no query at `position` or behind sees. REQUIRES: a table.
  void Slide(uint64_t sequence, int64_t position);

  // Makes entry `index` of the sequence's table, if it is there, the twin of `full_block`, if that
  // has none. REQUIRES: both hold the same.
  void Pair(uint64_t sequence, int32_t index, int32_t full_block);

  // The full block is about to hold something else.
  void Part(int32_t full_block);

  // Drops the table; a sequence without one is no error.
  void Release(uint64_t sequence);

  int32_t num_blocks() const { return pool_.num_blocks(); }
  int32_t num_free() const { return pool_.num_free(); }
  int32_t num_tables() const { return static_cast<int32_t>(tables_.size()); }

  // Checks the pool, that the tables are its only owners, and that twins know each other.
  void CheckIntegrity() const;

 private:
  static constexpr int32_t kNone = -1;

  struct Table {
    int32_t base = 0;             // index of blocks[0]; what came before was never here
    int32_t first = 0;            // index of the first that was not given back
    int32_t num_told = 0;         // of `blocks`
    std::vector<int32_t> blocks;  // also those given back

    int32_t end() const { return base + static_cast<int32_t>(blocks.size()); }
  };

  Table& TableOf(uint64_t sequence);
  void Drop(int32_t block) { pool_.Drop(block, /*keep=*/full_of_[block] != kNone); }

  const int32_t block_tokens_;
  const int32_t window_;
  BlockPool pool_;
  std::vector<int32_t> twin_;     // by full block
  std::vector<int32_t> full_of_;  // by block: whose twin it is
  // Looked up by id; no decision walks it.
  absl::flat_hash_map<uint64_t, Table> tables_;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_KV_WINDOW_BLOCKS_H_
