// Body of the write into the cache of keys and values, which may rotate keys: a block copies those
// of one token.
#ifndef SWITCHYARD_KERNELS_CUDA_GQA_WRITE_CUH_
#define SWITCHYARD_KERNELS_CUDA_GQA_WRITE_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/args/padding.h"
#include "kernels/cuda/kv_cache.h"
#include "kernels/cuda/rope.cuh"

namespace switchyard::kernels::cuda {

// [T, kv_heads, dim] each.
struct KvRows {
  __nv_bfloat16* k;
  const __nv_bfloat16* v;
  int64_t k_stride, v_stride;
};

// The rotated part of a token's keys by pairs, the rest by elements.
__device__ inline void WriteRotatedKeys(__nv_bfloat16* k, int64_t token, int64_t slot,
                                        const KvCache& cache, const Rotary& rotary) {
  const int64_t block = slot / cache.block_tokens, offset = slot % cache.block_tokens;
  const int pairs = static_cast<int>(rotary.pairs()), rotated = 2 * pairs;
  const int thread = static_cast<int>(threadIdx.x), step = static_cast<int>(blockDim.x);
  for (int i = thread; i < cache.kv_heads * pairs; i += step) {
    const int head = i / pairs, pair = i % pairs;
    __nv_bfloat16* const key = k + head * cache.dim;
    const __nv_bfloat162 turned = rotary.Turned(key, token, pair);
    rotary.Put(key, pair, turned);
    rotary.Put(cache.Entry(block, head, offset), pair, turned);
  }
  const int rest = cache.dim - rotated;
  for (int i = thread; i < cache.kv_heads * rest; i += step) {
    const int head = i / rest, column = rotated + i % rest;
    cache.Entry(block, head, offset)[column] = k[head * cache.dim + column];
  }
}

// Word: 16 bytes, where everything is a multiple of that, or one element.
template <typename Word>
__global__ void GqaWriteKernel(KvRows rows, const int64_t* slots, KvCache cache, Rotary rotary) {
  constexpr int kPerWord = sizeof(Word) / sizeof(__nv_bfloat16);
  const int64_t token = blockIdx.x, slot = slots[token];
  if (slot == kNoSlot) return;
  const bool rotates = rotary.table != nullptr;
  const int words_of_head = cache.dim / kPerWord;
  const int words = cache.kv_heads * words_of_head;
  const auto* const k = reinterpret_cast<const Word*>(rows.k + token * rows.k_stride);
  const auto* const v = reinterpret_cast<const Word*>(rows.v + token * rows.v_stride);
  for (int i = static_cast<int>(threadIdx.x); i < words; i += static_cast<int>(blockDim.x)) {
    __nv_bfloat16* const entry =
        cache.Entry(slot / cache.block_tokens, i / words_of_head, slot % cache.block_tokens) +
        i % words_of_head * kPerWord;
    if (!rotates) *reinterpret_cast<Word*>(entry) = k[i];
    *reinterpret_cast<Word*>(entry + cache.to_value()) = v[i];
  }
  if (rotates) WriteRotatedKeys(rows.k + token * rows.k_stride, token, slot, cache, rotary);
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GQA_WRITE_CUH_
