// Which blocks of a group's KV cache hold which beginnings of sequences: full blocks only, each
// found by its own content and by all that stands before it.
//
// Blocks form chains. A block is published by a sequence that owns it and the published block
// before it, and found only along its chain, so whoever owns a block owns all before it. Therefore
// a block that is free and findable has no findable block after it that is owned, and releasing
// tables last block first makes blocks free from the end of their chains: the one that was free
// longest has none after it. CheckIntegrity of BlockManager holds the two against that.
//
// A chain belongs to one model: each epoch's scheduler has caches of its own.
#ifndef SWITCHYARD_COORDINATOR_CORE_KV_PREFIX_CACHE_H_
#define SWITCHYARD_COORDINATOR_CORE_KV_PREFIX_CACHE_H_

#include <absl/container/flat_hash_map.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "coordinator/core/kv/block_hash.h"

namespace switchyard::core {

// Owned by a BlockManager, which knows what is owned and what is free. Not thread-safe.
class PrefixCache {
 public:
  // REQUIRES: both positive.
  PrefixCache(int32_t num_blocks, int32_t block_tokens);

  // The longest run of blocks that hold the chain's beginning, of `max_blocks` at most.
  std::vector<int32_t> Find(const TokenChain& chain, int32_t max_blocks) const;

  // Makes block `index` of the chain findable in `table[index]`. False, without effect, if another
  // block has that content already, or if the block before it is not findable. REQUIRES: the
  // table's owner computed the chain into it, at least so far.
  bool Publish(const TokenChain& chain, int32_t index, std::span<const int32_t> table);

  // The block is about to hold something else; no effect on one that is not findable. REQUIRES: no
  // findable block comes after it.
  void Forget(int32_t block);

  bool Contains(int32_t block) const { return entries_.at(block).is_published; }
  int32_t num_published() const { return static_cast<int32_t>(block_of_hash_.size()); }
  // The findable block before this one, or kNone. REQUIRES: Contains(block).
  static constexpr int32_t kNone = -1;
  int32_t Before(int32_t block) const { return entries_.at(block).before; }

  void CheckIntegrity() const;

 private:
  struct Entry {
    bool is_published = false;
    uint64_t hash = 0;
    int32_t before = kNone;
    int32_t num_after = 0;  // published blocks whose `before` this is
    int32_t num_prompt = 0;
    std::vector<int32_t> tokens;
    std::string salt;  // of the first block of a chain; the others are bound to it by `before`
  };

  bool Holds(int32_t block, int32_t before, std::string_view salt,
             const BlockContent& content) const;

  const int32_t block_tokens_;
  std::vector<Entry> entries_;  // by block
  // Looked up only: no decision walks it.
  absl::flat_hash_map<uint64_t, int32_t> block_of_hash_;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_KV_PREFIX_CACHE_H_
