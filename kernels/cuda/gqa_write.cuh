// Body of the write into the cache of keys and values: a block copies those of one token.
#ifndef SWITCHYARD_KERNELS_CUDA_GQA_WRITE_CUH_
#define SWITCHYARD_KERNELS_CUDA_GQA_WRITE_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/args/padding.h"
#include "kernels/cuda/kv_cache.h"

namespace switchyard::kernels::cuda {

// [T, kv_heads, dim] each.
struct KvRows {
  const __nv_bfloat16* k;
  const __nv_bfloat16* v;
  int64_t k_stride, v_stride;
};

// Word: 16 bytes, where everything is a multiple of that, or one element.
template <typename Word>
__global__ void GqaWriteKernel(KvRows rows, const int64_t* slots, KvCache cache) {
  constexpr int kPerWord = sizeof(Word) / sizeof(__nv_bfloat16);
  const int64_t token = blockIdx.x, slot = slots[token];
  if (slot == kNoSlot) return;
  const int words_of_head = cache.dim / kPerWord;
  const int words = cache.kv_heads * words_of_head;
  const auto* const k = reinterpret_cast<const Word*>(rows.k + token * rows.k_stride);
  const auto* const v = reinterpret_cast<const Word*>(rows.v + token * rows.v_stride);
  for (int i = static_cast<int>(threadIdx.x); i < words; i += static_cast<int>(blockDim.x)) {
    __nv_bfloat16* const entry =
        cache.Entry(slot / cache.block_tokens, i / words_of_head, slot % cache.block_tokens) +
        i % words_of_head * kPerWord;
    *reinterpret_cast<Word*>(entry) = k[i];
    *reinterpret_cast<Word*>(entry + cache.to_value()) = v[i];
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GQA_WRITE_CUH_
