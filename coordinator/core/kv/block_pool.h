// The numbered blocks of one group's paged KV cache: which are free, and how many owners each of
// the others has.
#ifndef SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_POOL_H_
#define SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_POOL_H_

#include <cstdint>
#include <vector>

namespace switchyard::core {

// Owned by a BlockManager. Not thread-safe. Hands out the block that was freed last: its pages are
// the likeliest to be cached.
class BlockPool {
 public:
  // Blocks 0 .. num_blocks - 1, all free. REQUIRES: num_blocks > 0.
  explicit BlockPool(int32_t num_blocks);

  int32_t num_blocks() const { return static_cast<int32_t>(owners_.size()); }
  int32_t num_free() const { return static_cast<int32_t>(free_.size()); }

  // A free block, from now on with one owner. REQUIRES: num_free() > 0.
  int32_t Take();

  // One more owner. REQUIRES: `block` is not free.
  void Share(int32_t block);

  // One owner less; without any the block is free. REQUIRES: `block` is not free.
  void Drop(int32_t block);

  int32_t owners(int32_t block) const { return owners_.at(block); }

  // Checks that the free list holds exactly the blocks without owners, each once.
  void CheckIntegrity() const;

 private:
  std::vector<int32_t> free_;    // the next one to hand out is the last
  std::vector<int32_t> owners_;  // [num_blocks]
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_POOL_H_
