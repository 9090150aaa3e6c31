// Bodies of the latent cache's write, which may rotate keys, and read: a block copies the entry of
// one token.
#ifndef SWITCHYARD_KERNELS_CUDA_LATENT_CUH_
#define SWITCHYARD_KERNELS_CUDA_LATENT_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/args/padding.h"
#include "kernels/cuda/latent_cache.h"
#include "kernels/cuda/rope.cuh"

namespace switchyard::kernels::cuda {

// Entries outside the cache: latents [T, latent_dim] and rotated keys [T, rope_dim].
struct LatentRows {
  __nv_bfloat16* c;
  int64_t c_stride;
  int latent_dim;
  __nv_bfloat16* k_pe;
  int64_t k_pe_stride;
  int rope_dim;
};

// Copies `count` elements by the whole block: 16 bytes at a time where both sides allow, else one
// element.
__device__ inline void CopyElements(const __nv_bfloat16* from, __nv_bfloat16* to, int count) {
  constexpr int kPerWord = sizeof(uint4) / sizeof(__nv_bfloat16);
  const uint64_t bits = reinterpret_cast<uintptr_t>(from) | reinterpret_cast<uintptr_t>(to);
  const int thread = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
  int done = 0;
  if (bits % sizeof(uint4) == 0) {
    const int words = count / kPerWord;
    for (int i = thread; i < words; i += step) {
      reinterpret_cast<uint4*>(to)[i] = reinterpret_cast<const uint4*>(from)[i];
    }
    done = words * kPerWord;
  }
  for (int i = done + thread; i < count; i += step) to[i] = from[i];
}

inline __global__ void LatentWriteKernel(LatentRows rows, const int64_t* slots, LatentCache cache,
                                         Rotary rotary) {
  const int64_t token = blockIdx.x, slot = slots[token];
  if (slot == kNoSlot) return;
  __nv_bfloat16* const entry = cache.Entry(slot / cache.block_tokens, slot % cache.block_tokens);
  CopyElements(rows.c + token * rows.c_stride, entry, rows.latent_dim);
  __nv_bfloat16 *const k_pe = rows.k_pe + token * rows.k_pe_stride, *to = entry + rows.latent_dim;
  if (rotary.table == nullptr) return CopyElements(k_pe, to, rows.rope_dim);
  for (int64_t pair = threadIdx.x; pair < rotary.pairs(); pair += blockDim.x) {
    const __nv_bfloat162 turned = rotary.Turned(k_pe, token, pair);
    rotary.Put(k_pe, pair, turned);
    rotary.Put(to, pair, turned);
  }
}

// `table` begins with the block of position `begin`, which lies `offset` tokens into it.
inline __global__ void LatentGatherKernel(LatentCache cache, const int32_t* table, int offset,
                                          LatentRows rows) {
  const int64_t token = blockIdx.x;
  const __nv_bfloat16* const entry = cache.AtPosition(table, offset + static_cast<int>(token));
  CopyElements(entry, rows.c + token * rows.c_stride, rows.latent_dim);
  CopyElements(entry + rows.latent_dim, rows.k_pe + token * rows.k_pe_stride, rows.rope_dim);
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_LATENT_CUH_
