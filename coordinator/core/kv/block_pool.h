// The numbered blocks of one group's paged KV cache: which are free, and how many owners each of
// the others has.
#ifndef SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_POOL_H_
#define SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_POOL_H_

#include <cstdint>
#include <vector>

namespace switchyard::core {

// Owned by a BlockManager. Not thread-safe. A free block may be kept for what it holds: it is free
// like the others, and handed out last, the one that was free longest first. Of the others the one
// that was freed last goes first: its pages are the likeliest to be in the processor's cache.
class BlockPool {
 public:
  // Blocks 0 .. num_blocks - 1, all free. REQUIRES: num_blocks > 0.
  explicit BlockPool(int32_t num_blocks);

  int32_t num_blocks() const { return static_cast<int32_t>(owners_.size()); }
  int32_t num_free() const { return static_cast<int32_t>(blank_.size()) + num_kept_; }
  int32_t num_kept() const { return num_kept_; }

  // A free block, from now on with one owner. What it was kept for is lost. REQUIRES: num_free() >
  // 0.
  int32_t Take();

  // One more owner. REQUIRES: `block` is not free, or kept.
  void Share(int32_t block);

  // One owner less; without any the block is free, and kept if `keep`. REQUIRES: `block` is not
  // free.
  void Drop(int32_t block, bool keep = false);

  // What the block holds is of no use any more: it is free like one that was never kept. REQUIRES:
  // it is kept.
  void Blank(int32_t block);

  int32_t owners(int32_t block) const { return owners_.at(block); }
  // The kept blocks, the one that was free longest first.
  std::vector<int32_t> Kept() const;

  // Checks that the free lists hold exactly the blocks without owners, each once.
  void CheckIntegrity() const;

 private:
  // A place in the list of kept blocks, which is a ring through place num_blocks().
  struct Link {
    int32_t before = kUnlinked;
    int32_t after = kUnlinked;
  };
  static constexpr int32_t kUnlinked = -1;

  bool IsKept(int32_t block) const { return links_[block].after != kUnlinked; }
  void Keep(int32_t block);
  void Unlink(int32_t block);

  std::vector<int32_t> blank_;   // free and not kept; the next one to hand out is the last
  std::vector<int32_t> owners_;  // [num_blocks]
  std::vector<Link> links_;      // [num_blocks + 1]
  int32_t num_kept_ = 0;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_KV_BLOCK_POOL_H_
