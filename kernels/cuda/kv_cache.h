// The paged cache of keys and values as kernels see it.
#ifndef SWITCHYARD_KERNELS_CUDA_KV_CACHE_H_
#define SWITCHYARD_KERNELS_CUDA_KV_CACHE_H_

#include <cuda_bf16.h>

#include <cstdint>

#include "base/check.h"
#include "kernels/tensor_view.h"

namespace switchyard::kernels::cuda {

// bf16 [blocks, kv_heads, 2 * block_tokens, dim]; a value, copied into kernels.
struct KvCache {
  __nv_bfloat16* data;
  int64_t num_blocks;
  int64_t block_stride;  // elements
  int block_tokens;
  int kv_heads;
  int dim;

  // A key. Its value is `to_value` elements on.
  __host__ __device__ __nv_bfloat16* Entry(int64_t block, int64_t kv, int64_t offset) const {
    return data + block * block_stride + (kv * 2 * block_tokens + offset) * dim;
  }
  __host__ __device__ int64_t to_value() const { return int64_t{block_tokens} * dim; }
  // The key of a position in the sequence whose blocks are `table`.
  __device__ const __nv_bfloat16* AtPosition(const int32_t* table, int64_t kv, int position) const {
    return Entry(table[position / block_tokens], kv, position % block_tokens);
  }
};

inline KvCache KvCacheOf(const TensorView& cache) {
  SY_CHECK(cache.dtype == DType::kBf16) << "cache: on CUDA, expected bf16, got f32";
  return {.data = static_cast<__nv_bfloat16*>(cache.data),
          .num_blocks = cache.dims[0],
          .block_stride = cache.row_stride,
          .block_tokens = static_cast<int>(cache.dims[2] / 2),
          .kv_heads = static_cast<int>(cache.dims[1]),
          .dim = static_cast<int>(cache.dims[3])};
}

inline void CheckBlock(const KvCache& cache, int64_t block) {
  SY_CHECK(block >= 0 && block < cache.num_blocks)
      << "cache block " << block << " of " << cache.num_blocks;
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_KV_CACHE_H_
