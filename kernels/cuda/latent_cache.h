// The paged latent cache as kernels see it, and the host's check that nothing points out of it.
#ifndef SWITCHYARD_KERNELS_CUDA_LATENT_CACHE_H_
#define SWITCHYARD_KERNELS_CUDA_LATENT_CACHE_H_

#include <cuda_bf16.h>

#include <cstdint>

#include "base/check.h"
#include "kernels/tensor_view.h"

namespace switchyard::kernels::cuda {

// bf16 [blocks, block_tokens, width]; a value, copied into kernels.
struct LatentCache {
  __nv_bfloat16* data;
  int64_t num_blocks;
  int64_t block_stride;  // elements
  int block_tokens;
  int width;

  __host__ __device__ __nv_bfloat16* Entry(int64_t block, int64_t offset) const {
    return data + block * block_stride + offset * width;
  }
  // Of a position in the sequence whose blocks are `table`.
  __device__ __nv_bfloat16* AtPosition(const int32_t* table, int position) const {
    return Entry(table[position / block_tokens], position % block_tokens);
  }
};

inline LatentCache LatentCacheOf(const TensorView& cache) {
  SY_CHECK(cache.dtype == DType::kBf16) << "cache: on CUDA, expected bf16, got f32";
  return {.data = static_cast<__nv_bfloat16*>(cache.data),
          .num_blocks = cache.dims[0],
          .block_stride = cache.row_stride,
          .block_tokens = static_cast<int>(cache.dims[1]),
          .width = static_cast<int>(cache.dims[2])};
}

// Blocks that `num_tokens` tokens take up.
inline int64_t BlocksOf(const LatentCache& cache, int64_t num_tokens) {
  return (num_tokens + cache.block_tokens - 1) / cache.block_tokens;
}

inline void CheckBlock(const LatentCache& cache, int64_t block) {
  SY_CHECK(block >= 0 && block < cache.num_blocks)
      << "cache block " << block << " of " << cache.num_blocks;
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_LATENT_CACHE_H_
