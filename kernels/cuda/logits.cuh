// Kernels over rows of logits: one block for each row that is asked about. They read a row once or
// twice, 4 bytes a token, and sum integers, so that no order of threads shows in a result.
#ifndef SWITCHYARD_KERNELS_CUDA_LOGITS_CUH_
#define SWITCHYARD_KERNELS_CUDA_LOGITS_CUH_

#include <cfloat>

#include "kernels/args/logits.h"
#include "kernels/cuda/rows_common.cuh"

namespace switchyard::kernels::cuda {

inline constexpr int kLogitThreads = 512;
inline constexpr unsigned kAllLanes = 0xffffffffu;

struct LogitTable {
  float* data;
  int64_t row_stride;
  int32_t columns;

  __device__ float* Row(int32_t row) const { return data + row * row_stride; }
};

__device__ inline bool Keeps(const LogitCut& cut, float x) {
  return x >= cut.least && fabsf(x - cut.center) <= cut.width;
}

__device__ inline uint64_t WeightOf(const LogitRow& row, float x) {
  if (!Keeps(row.cut, x)) return 0;
  return __float2ull_rz(expf((x - row.max) * row.inverse_temperature) * kLogitWeightOne);
}

__device__ inline uint64_t SurpriseOf(const LogitRow& row, float x) {
  if (!Keeps(row.cut, x)) return 0;
  const float surprise = (row.max - x) * row.inverse_temperature;
  const float weight = expf(-surprise);
  // Where a surprise is infinite, the weight is 0.
  return weight > 0.0f ? __float2ull_rz(weight * surprise * kLogitWeightOne) : 0;
}

// The sum over a warp, on every lane.
__device__ inline uint64_t WarpSum(uint64_t value) {
  for (int step = kWarpThreads / 2; step > 0; step /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, step);
  }
  return value;
}

// LogitEdit (args/logits.h).
__device__ inline float Edited(float x, const LogitEdit& edit) {
  if (!isfinite(x)) return x;
  if (isinf(edit.bias)) return edit.bias;
  const auto bounded = [](float y) { return fminf(fmaxf(y, -FLT_MAX), FLT_MAX); };
  const float repeated = x > 0 ? __fdiv_rn(x, edit.repetition) : __fmul_rn(x, edit.repetition);
  return bounded(__fadd_rn(bounded(repeated), edit.bias));
}

// Grid: one block for each copy.
__global__ void CopyLogitsKernel(LogitTable logits, const EditLogitsArgs::Copy* copies) {
  const float* const from = logits.Row(copies[blockIdx.x].from);
  float* const to = logits.Row(copies[blockIdx.x].to);
  for (int c = threadIdx.x; c < logits.columns; c += blockDim.x) to[c] = from[c];
}

__global__ void EditLogitsKernel(LogitTable logits, const LogitEdit* edits, int64_t num_edits) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i >= num_edits) return;
  // At once: its parts one by one would take four times the sectors.
  static_assert(sizeof(LogitEdit) == sizeof(int4));
  const int4 words = reinterpret_cast<const int4*>(edits)[i];
  const LogitEdit edit{words.x, words.y, __int_as_float(words.z), __int_as_float(words.w)};
  float& x = logits.Row(edit.row)[edit.column];
  x = Edited(x, edit);
}

// Grid: one block for each mask.
__global__ void MaskLogitsKernel(LogitTable logits, const int32_t* rows, const uint32_t* masks) {
  float* const x = logits.Row(rows[blockIdx.x]);
  const uint32_t* const mask =
      masks + blockIdx.x * static_cast<int64_t>((logits.columns + 31) / 32);
  for (int c = threadIdx.x; c < logits.columns; c += blockDim.x) {
    if ((mask[c / 32] >> (c % 32) & 1u) == 0) x[c] = -INFINITY;
  }
}

// Larger for a larger logit, then for a lower column; a NaN is above all.
__device__ inline uint64_t PeakKey(float x, int32_t column) {
  const uint32_t key = isnan(x) ? 0xffffffffu : LogitKey(__float_as_uint(x + 0.0f));  // -0 is 0
  return uint64_t{key} << 32 | ~static_cast<uint32_t>(column);
}

__global__ void __launch_bounds__(kLogitThreads)
    LogitMaxKernel(LogitTable logits, const int32_t* rows, LogitPeak* peaks) {
  __shared__ uint64_t of_warp[kLogitThreads / kWarpThreads];
  const float* const x = logits.Row(rows[blockIdx.x]);
  uint64_t best = 0;
  for (int c = threadIdx.x; c < logits.columns; c += kLogitThreads) {
    best = max(best, PeakKey(x[c], c));
  }
  for (int step = kWarpThreads / 2; step > 0; step /= 2) {
    best = max(best, __shfl_xor_sync(kAllLanes, best, step));
  }
  if (threadIdx.x % kWarpThreads == 0) of_warp[threadIdx.x / kWarpThreads] = best;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (const uint64_t other : of_warp) best = max(best, other);
  const int32_t column = static_cast<int32_t>(~static_cast<uint32_t>(best));
  peaks[blockIdx.x] = {.logit = x[column], .column = column};
}

__global__ void __launch_bounds__(kLogitThreads)
    LogitHistogramKernel(LogitTable logits, const LogitHistogramArgs::Search* searches,
                         uint32_t* counts, uint64_t* weights) {
  constexpr int kBins = LogitHistogramArgs::kBins;
  __shared__ unsigned count_of_bin[kBins];
  __shared__ unsigned long long weight_of_bin[kBins];
  for (int bin = threadIdx.x; bin < kBins; bin += kLogitThreads) {
    count_of_bin[bin] = 0;
    weight_of_bin[bin] = 0;
  }
  __syncthreads();
  const LogitHistogramArgs::Search search = searches[blockIdx.x];
  const float* const x = logits.Row(search.row.row);
  const int shift = 32 - search.prefix_bits - LogitHistogramArgs::kBits;
  for (int c = threadIdx.x; c < logits.columns; c += kLogitThreads) {
    if (!Keeps(search.row.cut, x[c])) continue;
    const float ordered = search.by_closeness ? -fabsf(x[c] - search.row.cut.center) : x[c];
    const uint32_t key = LogitKey(__float_as_uint(ordered));
    if (uint64_t{key} >> (32 - search.prefix_bits) != search.prefix) continue;
    const int bin = (key >> shift) % kBins;
    atomicAdd(&count_of_bin[bin], 1u);
    atomicAdd(&weight_of_bin[bin], static_cast<unsigned long long>(WeightOf(search.row, x[c])));
  }
  __syncthreads();
  for (int bin = threadIdx.x; bin < kBins; bin += kLogitThreads) {
    counts[int64_t{blockIdx.x} * kBins + bin] = count_of_bin[bin];
    weights[int64_t{blockIdx.x} * kBins + bin] = weight_of_bin[bin];
  }
}

__global__ void __launch_bounds__(kLogitThreads)
    LogitMassKernel(LogitTable logits, const LogitRow* rows, bool with_surprise,
                    LogitMass* masses) {
  constexpr int kWarps = kLogitThreads / kWarpThreads;
  __shared__ uint64_t weight_of_warp[kWarps], surprise_of_warp[kWarps];
  const LogitRow row = rows[blockIdx.x];
  const float* const x = logits.Row(row.row);
  uint64_t weight = 0, surprise = 0;
  for (int c = threadIdx.x; c < logits.columns; c += kLogitThreads) {
    weight += WeightOf(row, x[c]);
    if (with_surprise) surprise += SurpriseOf(row, x[c]);
  }
  weight = WarpSum(weight);
  surprise = WarpSum(surprise);
  if (threadIdx.x % kWarpThreads == 0) {
    weight_of_warp[threadIdx.x / kWarpThreads] = weight;
    surprise_of_warp[threadIdx.x / kWarpThreads] = surprise;
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  LogitMass sum;
  for (int warp = 0; warp < kWarps; ++warp) {
    sum.weight += weight_of_warp[warp];
    sum.surprise += surprise_of_warp[warp];
  }
  masses[blockIdx.x] = sum;
}

// Every warp sums a stretch of the row; the one in whose stretch the target lies walks it again.
__global__ void __launch_bounds__(kLogitThreads)
    LogitPickKernel(LogitTable logits, const LogitPickArgs::Pick* picks, int32_t* columns) {
  constexpr int kWarps = kLogitThreads / kWarpThreads;
  __shared__ uint64_t of_warp[kWarps];
  const LogitPickArgs::Pick pick = picks[blockIdx.x];
  const float* const x = logits.Row(pick.row.row);
  const int warp = threadIdx.x / kWarpThreads, lane = threadIdx.x % kWarpThreads;
  const int stretch = (logits.columns + kLogitThreads - 1) / kLogitThreads * kWarpThreads;
  const int begin = min(warp * stretch, logits.columns);
  const int end = min(begin + stretch, logits.columns);
  uint64_t own = 0;
  for (int c = begin + lane; c < end; c += kWarpThreads) own += WeightOf(pick.row, x[c]);
  own = WarpSum(own);
  if (lane == 0) of_warp[warp] = own;
  __syncthreads();
  uint64_t sum = 0;
  for (int w = 0; w < warp; ++w) sum += of_warp[w];
  const bool is_last = warp == kWarps - 1;
  if (is_last && lane == 0 && sum + own <= pick.target) columns[blockIdx.x] = -1;
  if (sum > pick.target || sum + own <= pick.target) return;
  for (int c = begin; c < end; c += kWarpThreads) {
    uint64_t up_to_lane = c + lane < end ? WeightOf(pick.row, x[c + lane]) : 0;
    for (int step = 1; step < kWarpThreads; step *= 2) {
      const uint64_t below = __shfl_up_sync(kAllLanes, up_to_lane, step);
      if (lane >= step) up_to_lane += below;
    }
    const unsigned above = __ballot_sync(kAllLanes, sum + up_to_lane > pick.target);
    if (above != 0) {
      if (lane == 0) columns[blockIdx.x] = c + __ffs(static_cast<int>(above)) - 1;
      return;
    }
    sum += __shfl_sync(kAllLanes, up_to_lane, kWarpThreads - 1);
  }
}

// One warp for each row: places are given in the order of columns. What is found waits until there
// are whole lines of it.
__global__ void __launch_bounds__(kWarpThreads)
    LogitCollectKernel(LogitTable logits, const LogitCollectArgs::Collect* collects, int32_t limit,
                       LogitPeak* found) {
  const LogitCollectArgs::Collect collect = collects[blockIdx.x];
  const float* const x = logits.Row(collect.row);
  static_assert(sizeof(LogitPeak) == sizeof(int2));
  int2* const out = reinterpret_cast<int2*>(found) + int64_t{blockIdx.x} * limit;
  __shared__ int2 waiting[2 * kWarpThreads];
  const int lane = threadIdx.x;
  int num_found = 0, num_stored = 0;
  for (const bool equal : {false, true}) {
    for (int c = 0; c < logits.columns && num_found < limit; c += kWarpThreads) {
      const float value = c + lane < logits.columns ? x[c + lane] : NAN;
      const bool wanted = equal ? value == collect.least : value > collect.least;
      const unsigned lanes = __ballot_sync(kAllLanes, wanted);
      const int place = num_found + __popc(lanes & ((1u << lane) - 1));
      if (wanted && place < limit) waiting[place - num_stored] = {__float_as_int(value), c + lane};
      num_found = min(limit, num_found + __popc(lanes));
      __syncwarp();
      if (num_found - num_stored < kWarpThreads) continue;
      out[num_stored + lane] = waiting[lane];
      num_stored += kWarpThreads;
      if (lane < num_found - num_stored) waiting[lane] = waiting[kWarpThreads + lane];
      __syncwarp();
    }
  }
  for (int i = num_stored + lane; i < limit; i += kWarpThreads) {
    out[i] = i < num_found ? waiting[i - num_stored] : make_int2(0, -1);
  }
}

__global__ void LogitGatherKernel(LogitTable logits, const int32_t* rows, const int32_t* columns,
                                  int64_t count, float* values) {
  const int64_t i = int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < count) values[i] = logits.Row(rows[i])[columns[i]];
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_LOGITS_CUH_
