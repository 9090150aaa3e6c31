// Where a token's entry lies in a paged cache.
#ifndef SWITCHYARD_KERNELS_CPU_PAGED_CACHE_H_
#define SWITCHYARD_KERNELS_CPU_PAGED_CACHE_H_

#include <cstddef>

#include "base/check.h"
#include "kernels/tensor_view.h"

namespace switchyard::kernels::cpu {

// Dies of a CHECK where a block is not in the cache.
class PagedCache {
 public:
  // A view of [blocks, block_tokens, width]: an entry is key and value at once, of one head.
  static PagedCache OfLatents(const TensorView& cache) {
    const int64_t entry_bytes = cache.dims[2] * SizeOf(cache.dtype);
    return PagedCache(cache, cache.dims[1], entry_bytes, /*head_bytes=*/0, /*value_bytes=*/0);
  }
  // A view of [blocks, heads, 2 * block_tokens, dim]: of each head the keys, then the values.
  static PagedCache OfKeysAndValues(const TensorView& cache) {
    const int64_t entry_bytes = cache.dims[3] * SizeOf(cache.dtype);
    return PagedCache(cache, cache.dims[2] / 2, entry_bytes, cache.dims[2] * entry_bytes,
                      cache.dims[2] / 2 * entry_bytes);
  }

  DType dtype() const { return dtype_; }
  // From a key to its value.
  int64_t value_bytes() const { return value_bytes_; }

  std::byte* AtSlot(int64_t slot, int64_t head = 0) const {
    SY_CHECK_GE(slot, 0) << "cache slot";
    return Entry(slot / block_tokens_, slot % block_tokens_, head);
  }
  // The entry of a position in the sequence whose blocks are `table`.
  std::byte* AtPosition(const int32_t* table, int64_t position, int64_t head = 0) const {
    return Entry(table[position / block_tokens_], position % block_tokens_, head);
  }

 private:
  PagedCache(const TensorView& cache, int64_t block_tokens, int64_t entry_bytes, int64_t head_bytes,
             int64_t value_bytes)
      : base_(static_cast<std::byte*>(cache.data)),
        dtype_(cache.dtype),
        num_blocks_(cache.dims[0]),
        block_tokens_(block_tokens),
        block_bytes_(cache.row_stride * SizeOf(cache.dtype)),
        head_bytes_(head_bytes),
        entry_bytes_(entry_bytes),
        value_bytes_(value_bytes) {}

  std::byte* Entry(int64_t block, int64_t offset, int64_t head) const {
    SY_CHECK(block >= 0 && block < num_blocks_) << "cache block " << block << " of " << num_blocks_;
    return base_ + block * block_bytes_ + head * head_bytes_ + offset * entry_bytes_;
  }

  std::byte* const base_;
  const DType dtype_;
  const int64_t num_blocks_;
  const int64_t block_tokens_;
  const int64_t block_bytes_;
  const int64_t head_bytes_;
  const int64_t entry_bytes_;
  const int64_t value_bytes_;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PAGED_CACHE_H_
