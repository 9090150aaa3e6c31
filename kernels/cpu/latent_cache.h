// Where a token's entry lies in the paged latent cache.
#ifndef SWITCHYARD_KERNELS_CPU_LATENT_CACHE_H_
#define SWITCHYARD_KERNELS_CPU_LATENT_CACHE_H_

#include <cstddef>

#include "base/check.h"
#include "kernels/tensor_view.h"

namespace switchyard::kernels::cpu {

// A view of the cache, [blocks, block_tokens, width]. Dies of a CHECK where a block is not in the
// cache.
class LatentCache {
 public:
  explicit LatentCache(const TensorView& cache)
      : base_(static_cast<std::byte*>(cache.data)),
        dtype_(cache.dtype),
        num_blocks_(cache.dims[0]),
        block_tokens_(cache.dims[1]),
        block_bytes_(cache.row_stride * SizeOf(cache.dtype)),
        entry_bytes_(cache.dims[2] * SizeOf(cache.dtype)) {}

  DType dtype() const { return dtype_; }
  int64_t block_tokens() const { return block_tokens_; }

  std::byte* Entry(int64_t block, int64_t offset) const {
    SY_CHECK(block >= 0 && block < num_blocks_) << "cache block " << block << " of " << num_blocks_;
    return base_ + block * block_bytes_ + offset * entry_bytes_;
  }
  std::byte* AtSlot(int64_t slot) const {
    SY_CHECK_GE(slot, 0) << "cache slot";
    return Entry(slot / block_tokens_, slot % block_tokens_);
  }
  // The entry of a position in the sequence whose blocks are `table`.
  std::byte* AtPosition(const int32_t* table, int64_t position) const {
    return Entry(table[position / block_tokens_], position % block_tokens_);
  }

 private:
  std::byte* const base_;
  const DType dtype_;
  const int64_t num_blocks_;
  const int64_t block_tokens_;
  const int64_t block_bytes_;
  const int64_t entry_bytes_;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_LATENT_CACHE_H_
