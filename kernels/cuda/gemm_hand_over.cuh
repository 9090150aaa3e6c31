// The results of gate and up on their way into the product behind them, quantised in the launch
// that made them. A warpgroup makes 32 of the 128 columns that share a scale: the last of those
// that store such a group of some rows quantises it.
#ifndef SWITCHYARD_KERNELS_CUDA_GEMM_HAND_OVER_CUH_
#define SWITCHYARD_KERNELS_CUDA_GEMM_HAND_OVER_CUH_

#include "kernels/cuda/gemm_store.cuh"
#include "kernels/cuda/ptx/registers.cuh"
#include "kernels/cuda/quantise_lanes.cuh"

namespace switchyard::kernels::cuda {

// By a warpgroup, which has stored its part of job.y. `arrivals`: of the launch. True, on all
// threads, where it is the last of the group's; then all of them can be read. `flag`: shared memory
// of the warpgroup.
template <int kTokens>
__device__ bool ArrivesLast(const GemmJob& job, const StorePlace& place, int32_t* arrivals,
                            int32_t* flag, uint32_t barrier) {
  constexpr int kTiles = static_cast<int>(kScaleColumns) / (kTileRows / 2);  // of a group
  const int groups = (job.weight.row_tiles + kTiles - 1) / kTiles;
  const int group = place.row_tile / kTiles;
  const int tiles = min(kTiles, job.weight.row_tiles - group * kTiles);
  ptx::SyncNamed(barrier, 128);
  if (threadIdx.x % 128 == 0) {
    arrivals += job.first_arrival + place.first_token / kTokens * groups + group;
    __threadfence();  // what the barrier has ordered is seen by who reads the count
    const bool last = atomicAdd(arrivals, 1) == tiles - 1;
    __threadfence();
    if (last) *arrivals = 0;  // for the next launch
    *flag = last ? 1 : 0;
  }
  ptx::SyncNamed(barrier, 128);
  return *flag != 0;
}

// After StoreSums, by the same warpgroup.
template <int kTokens>
__device__ void HandOver(const GemmJob& job, const StorePlace& place, const GemmHandOver& to,
                         int32_t* flag, uint32_t barrier) {
  if (!ArrivesLast<kTokens>(job, place, to.arrivals, flag, barrier)) return;
  constexpr int kLanes = static_cast<int>(kScaleColumns) / kLaneColumns;
  static_assert(kAtomRows * kLanes == 128);                          // an atom at once
  const int thread = static_cast<int>(ptx::ThreadReadAnew()) % 128;  // sums need the registers
  const int lane = thread % kLanes, row_of_atom = thread / kLanes;
  const int group = place.row_tile / (static_cast<int>(kScaleColumns) / (kTileRows / 2));
  const int column = group * static_cast<int>(kScaleColumns) + lane * kLaneColumns;
#pragma unroll 1  // sums need the registers
  for (int begin = 0; begin < place.tokens; begin += kAtomRows) {
    const int row = begin + row_of_atom;
    const int64_t token = place.first_token + row;
    alignas(16) __nv_bfloat16 values[kLaneColumns];
    LoadColumns(static_cast<const __nv_bfloat16*>(job.y) + token * job.y_stride, column,
                row < place.tokens ? job.weight.n : 0, values);
    const float amax = LanesAmax<kLanes>(AmaxOf(values));
    const int atom = job.first_atom + (place.first_token + begin) / kAtomRows;
    StoreCodes(values, ActivationScale(amax, to.ue8m0 != 0), to.x,
               int64_t{group} * to.x.num_atoms + atom, {row_of_atom, lane});
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GEMM_HAND_OVER_CUH_
