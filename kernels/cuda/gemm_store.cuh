// A warpgroup's results on their way out: turned around in shared memory, so that a row of y is
// written by neighbouring threads.
#ifndef SWITCHYARD_KERNELS_CUDA_GEMM_STORE_CUH_
#define SWITCHYARD_KERNELS_CUDA_GEMM_STORE_CUH_

#include "kernels/cuda/choose/gemm_tile.h"
#include "kernels/cuda/gemm_common.cuh"
#include "kernels/cuda/ptx/mbarrier.cuh"

namespace switchyard::kernels::cuda {

struct StorePlace {
  int row_tile;
  int part;
  int first_token, tokens;  // those that exist
};

// Some rows of the result: [tokens, columns] at `to`.
template <typename T>
struct StoreTarget {
  T* to;
  int64_t stride;
  int columns;
  const float* bias;  // of the first column; null: none
};

__device__ inline void Store4(float* to, const float4& value) {
  *reinterpret_cast<float4*>(to) = value;
}
__device__ inline void Store4(__nv_bfloat16* to, const float4& value) {
  const __nv_bfloat162 low = __floats2bfloat162_rn(value.x, value.y);
  const __nv_bfloat162 high = __floats2bfloat162_rn(value.z, value.w);
  *reinterpret_cast<uint2*>(to) = {reinterpret_cast<const uint32_t&>(low),
                                   reinterpret_cast<const uint32_t&>(high)};
}

// By a warpgroup: four columns a thread, by one store where the place allows.
template <typename T>
__device__ void StoreRows(const float* staged, const StoreTarget<T>& target, int tokens) {
  constexpr int kThreadsOfRow = kTileRows / 4, kRowsAtOnce = 128 / kThreadsOfRow;
  const int thread = static_cast<int>(threadIdx.x) % 128;
  const int column = thread % kThreadsOfRow * 4;
  const int here = min(4, target.columns - column);
  if (here <= 0) return;
  const uint64_t bits =
      reinterpret_cast<uintptr_t>(target.to) | static_cast<uint64_t>(target.stride) * sizeof(T);
  const bool whole = here == 4 && bits % (4 * sizeof(T)) == 0;
  float bias[4] = {};
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (target.bias != nullptr && i < here) bias[i] = target.bias[column + i];
  }
  for (int token = thread / kThreadsOfRow; token < tokens; token += kRowsAtOnce) {
    float4 value = *reinterpret_cast<const float4*>(staged + token * kStagedPitch + column);
    if (target.bias != nullptr) {
      value = {value.x + bias[0], value.y + bias[1], value.z + bias[2], value.w + bias[3]};
    }
    T* const to = target.to + token * target.stride + column;
    if (whole) {
      Store4(to, value);
      continue;
    }
    to[0] = FromF32<T>(value.x);
    if (here > 1) to[1] = FromF32<T>(value.y);
    if (here > 2) to[2] = FromF32<T>(value.z);
    if (here > 3) to[3] = FromF32<T>(value.w);
  }
}

// To y, or to the part's unfinished sums.
__device__ inline void StoreStaged(const float* staged, const GemmJob& job, const StorePlace& place,
                                   int token, int tokens) {
  const GemmWeight& weight = job.weight;
  const int64_t row = place.first_token + token;
  if (job.sums != nullptr) {
    const int64_t width = int64_t{weight.row_tiles} * kTileRows;
    StoreRows<float>(staged,
                     {.to = job.sums + (int64_t{place.part} * job.rows + row) * width +
                            place.row_tile * kTileRows,
                      .stride = width,
                      .columns = kTileRows},
                     tokens);
    return;
  }
  const int outputs = weight.gate_up != 0 ? kTileRows / 2 : kTileRows;
  const int first = place.row_tile * outputs;
  const int columns = min(outputs, weight.n - first);
  const bool biased = weight.bias != nullptr && weight.gate_up == 0;  // gates have theirs
  const float* const bias = biased ? weight.bias + first : nullptr;
  const int64_t begin = row * job.y_stride + first;
  if (job.y_is_f32 != 0) {
    StoreRows<float>(staged, {static_cast<float*>(job.y) + begin, job.y_stride, columns, bias},
                     tokens);
  } else {
    StoreRows<__nv_bfloat16>(
        staged, {static_cast<__nv_bfloat16*>(job.y) + begin, job.y_stride, columns, bias}, tokens);
  }
}

// `staged`: f32 [min(kTokens, kStagedTokens), kStagedPitch]; `barrier`: a named barrier of the
// warpgroup.
template <int kTokens>
__device__ void StoreSums(const float (&sums)[kTokens / 2], const GemmJob& job,
                          const StorePlace& place, float* staged, uint32_t barrier) {
  constexpr int kStaged = kTokens < kStagedTokens ? kTokens : kStagedTokens;
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads % 4;
  const bool gate_up = job.weight.gate_up != 0 && job.sums == nullptr;
  float* const mine = staged + lane % 4 * 2 * kStagedPitch + lane / 4 + warp * (gate_up ? 8 : 16);
  const int gated_output = place.row_tile * (kTileRows / 2) + warp * 8 + lane / 4;
#pragma unroll
  for (int begin = 0; begin < kTokens; begin += kStaged) {
    if (begin >= place.tokens) break;
    if (begin > 0) ptx::SyncNamed(barrier, 128);  // the last ones were read
#pragma unroll
    for (int j = 0; j < kStaged / 8; ++j) {
      const float* const four = sums + begin / 2 + 4 * j;
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        float* const to = mine + (8 * j + i) * kStagedPitch;
        if (gate_up) {
          to[0] = Gated(job.weight, gated_output, four[i], four[2 + i]);
        } else {
          to[0] = four[i];
          to[8] = four[2 + i];
        }
      }
    }
    ptx::SyncNamed(barrier, 128);
    StoreStaged(staged, job, place, begin, min(kStaged, place.tokens - begin));
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_STORE_CUH_
