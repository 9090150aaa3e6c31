// Bodies of the gate and the combine (kernels/args/moe.h). A block owns a token, so no token sees
// another.
#ifndef SWITCHYARD_KERNELS_CUDA_MOE_CUH_
#define SWITCHYARD_KERNELS_CUDA_MOE_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/args/moe.h"
#include "kernels/cuda/rows_common.cuh"

namespace switchyard::kernels::cuda {

struct GateRows {
  const float* logits;
  int64_t logits_stride;
  const float* bias;  // null with softmax
  bool softmax;
  int num_experts, num_groups, top_groups, num_slots;
  bool normalize;
  float scale;
  int32_t* ids;
  int64_t ids_stride;
  float* weights;
  int64_t weights_stride;
};

// Integers in the order of the floats, all above 0; both zeros are one, a NaN is as -inf.
inline constexpr uint32_t kExcluded = 0;  // below every float

__device__ inline uint32_t OrderOf(float key) {
  constexpr uint32_t kSign = 0x80000000u, kNegativeInfinity = 0x007fffffu;
  if (isnan(key)) return kNegativeInfinity;
  const uint32_t bits = __float_as_uint(key + 0.0f);  // -0 becomes 0
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

// How many of `keys` come before key `id`: larger ones, and equal ones of lower id.
// REQUIRES: `keys` is aligned to 16 bytes, and filled up to a multiple of 4 with kExcluded.
__device__ inline int RankOf(const uint32_t* keys, int num_keys, int id) {
  const uint32_t own = keys[id];
  int rank = 0;
  for (int i = 0; i < num_keys; i += 4) {
    const uint4 four = *reinterpret_cast<const uint4*>(keys + i);
    rank += four.x > own || (four.x == own && i < id);
    rank += four.y > own || (four.y == own && i + 1 < id);
    rank += four.z > own || (four.z == own && i + 2 < id);
    rank += four.w > own || (four.w == own && i + 3 < id);
  }
  return rank;
}

// The sum of the two largest of a group's keys, or the largest alone, on every lane of the warp
// that calls.
__device__ inline float GroupKey(const float* keys, int group_size, bool largest_alone) {
  float first = -INFINITY, second = -INFINITY;
  for (int i = static_cast<int>(threadIdx.x) % kWarpThreads; i < group_size; i += kWarpThreads) {
    second = fmaxf(second, fminf(first, keys[i]));
    first = fmaxf(first, keys[i]);
  }
  for (int step = kWarpThreads / 2; step > 0; step /= 2) {
    const float other_first = __shfl_xor_sync(0xffffffffu, first, step);
    const float other_second = __shfl_xor_sync(0xffffffffu, second, step);
    second = fmaxf(fmaxf(second, other_second), fminf(first, other_first));
    first = fmaxf(first, other_first);
  }
  return largest_alone ? first : first + second;
}

struct GateShared {
  alignas(16) uint32_t order[kMaxExperts];
  alignas(16) uint32_t group_order[kMaxExpertGroups];
  float keys[kMaxExperts];
  bool group_kept[kMaxExpertGroups];
  int warp_chosen[kMaxExperts / kWarpThreads];
  float chosen_scores[kMaxExpertsPerToken];
};

// Groups by their keys; all threads call, and see `group_kept` on return.
__device__ inline void ChooseGroups(const GateRows& rows, GateShared& shared) {
  const int thread = static_cast<int>(threadIdx.x), num_warps = blockDim.x / kWarpThreads;
  const int group_size = rows.num_experts / rows.num_groups;
  if (rows.top_groups < rows.num_groups) {
    for (int g = thread / kWarpThreads; g < rows.num_groups; g += num_warps) {
      const float key = GroupKey(shared.keys + g * group_size, group_size, rows.softmax);
      if (thread % kWarpThreads == 0) shared.group_order[g] = OrderOf(key);
    }
  }
  for (int g = rows.num_groups + thread; g < kMaxExpertGroups; g += blockDim.x) {
    shared.group_order[g] = kExcluded;
  }
  __syncthreads();
  for (int g = thread; g < rows.num_groups; g += blockDim.x) {
    shared.group_kept[g] = rows.top_groups == rows.num_groups ||
                           RankOf(shared.group_order, rows.num_groups, g) < rows.top_groups;
  }
  __syncthreads();
}

// The expert's part of a softmax over all; all threads call, each with its logit, -inf where there
// is no expert. Every thread adds the same terms in the same order.
__device__ inline float SoftmaxScore(const GateRows& rows, float logit, GateShared& shared) {
  shared.keys[threadIdx.x] = logit;
  __syncthreads();
  float top = -INFINITY;
  for (int i = 0; i < rows.num_experts; ++i) top = fmaxf(top, shared.keys[i]);
  __syncthreads();
  const float own = expf(logit - top);
  shared.keys[threadIdx.x] = own;
  __syncthreads();
  float sum = 0;
  for (int i = 0; i < rows.num_experts; ++i) sum += shared.keys[i];
  __syncthreads();
  return own / sum;
}

// One thread per expert, filled up to whole warps. The chosen are those whose rank among the
// experts of kept groups is below the number of slots.
inline __global__ void __launch_bounds__(kMaxExperts) GateKernel(GateRows rows) {
  __shared__ GateShared shared;
  const int64_t token = blockIdx.x;
  const int expert = static_cast<int>(threadIdx.x), lane = expert % kWarpThreads;
  const bool exists = expert < rows.num_experts;
  const int group = exists ? expert / (rows.num_experts / rows.num_groups) : 0;
  float score = 0, key = -INFINITY;
  const float logit = exists ? rows.logits[token * rows.logits_stride + expert] : -INFINITY;
  if (rows.softmax) {
    score = SoftmaxScore(rows, logit, shared);
    if (exists && !isnan(score)) key = score;
  } else if (exists) {
    score = 1.0f / (1.0f + expf(-logit));
    key = score + rows.bias[expert];
    if (isnan(key)) key = -INFINITY;
  }
  shared.keys[expert] = key;
  __syncthreads();
  ChooseGroups(rows, shared);
  shared.order[expert] = exists && shared.group_kept[group] ? OrderOf(key) : kExcluded;
  __syncthreads();
  const bool chosen = exists && RankOf(shared.order, rows.num_experts, expert) < rows.num_slots;

  // Slots by id: the chosen of earlier warps, then those of lower lanes.
  const uint32_t of_warp = __ballot_sync(0xffffffffu, chosen);
  if (lane == 0) shared.warp_chosen[expert / kWarpThreads] = __popc(of_warp);
  __syncthreads();
  int slot = __popc(of_warp & ((1u << lane) - 1));
  for (int warp = 0; warp < expert / kWarpThreads; ++warp) slot += shared.warp_chosen[warp];
  if (chosen) {
    shared.chosen_scores[slot] = score;
    rows.ids[token * rows.ids_stride + slot] = expert;
  }
  __syncthreads();
  for (int j = expert; j < rows.num_slots; j += blockDim.x) {
    float sum = 0;
    for (int i = 0; i < rows.num_slots; ++i) sum += shared.chosen_scores[i];
    const float weight = shared.chosen_scores[j];
    rows.weights[token * rows.weights_stride + j] =
        (rows.normalize ? weight / (sum + 1e-20f) : weight) * rows.scale;
  }
}

template <typename T>
struct CombineParts {
  const T* rows;
  int64_t num_rows, rows_stride;
  const int32_t* row_of;
  int64_t row_of_stride;
  const float* weights;
  int64_t weights_stride;
  int num_slots;
  const __nv_bfloat16* base;  // may be null
  int64_t base_stride;
  __nv_bfloat16* y;
  int64_t y_stride, width;
};

// kCount elements in one access, at most of 16 bytes.
template <typename T, int kCount>
struct alignas(kCount * sizeof(T)) Pack {
  T at[kCount];
};

// kColumns columns of one token per thread. A row that does not exist is a fault of the caller and
// ends the program, as it does on CPUs.
template <typename T, int kColumns>
__global__ void CombineRowsKernel(CombineParts<T> parts) {
  const int64_t token = blockIdx.x;
  const int64_t column = (static_cast<int64_t>(blockIdx.y) * blockDim.x + threadIdx.x) * kColumns;
  if (column >= parts.width) return;
  const int32_t* const row_of = parts.row_of + token * parts.row_of_stride;
  const float* const weights = parts.weights + token * parts.weights_stride;
  float sums[kColumns] = {};
  const int num_slots = row_of[0] == -1 ? 0 : parts.num_slots;
#pragma unroll 4  // rows are on their way together
  for (int j = 0; j < num_slots; ++j) {
    const int64_t row = row_of[j];
    if (row < 0 || row >= parts.num_rows) __trap();
    const auto values =
        *reinterpret_cast<const Pack<T, kColumns>*>(parts.rows + row * parts.rows_stride + column);
#pragma unroll
    for (int i = 0; i < kColumns; ++i) {
      const float value = ToF32(values.at[i]);
      sums[i] = j == 0 ? weights[j] * value : fmaf(weights[j], value, sums[i]);
    }
  }
  using Activations = Pack<__nv_bfloat16, kColumns>;
  if (parts.base != nullptr) {
    const auto base =
        *reinterpret_cast<const Activations*>(parts.base + token * parts.base_stride + column);
#pragma unroll
    for (int i = 0; i < kColumns; ++i) sums[i] += ToF32(base.at[i]);
  }
  Activations y;
#pragma unroll
  for (int i = 0; i < kColumns; ++i) y.at[i] = FromF32<__nv_bfloat16>(sums[i]);
  *reinterpret_cast<Activations*>(parts.y + token * parts.y_stride + column) = y;
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_MOE_CUH_
