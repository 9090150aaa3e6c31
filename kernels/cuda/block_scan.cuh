// Prefix sums over a block of threads.
#ifndef SWITCHYARD_KERNELS_CUDA_BLOCK_SCAN_CUH_
#define SWITCHYARD_KERNELS_CUDA_BLOCK_SCAN_CUH_

#include "kernels/cuda/rows_common.cuh"

namespace switchyard::kernels::cuda {

struct Scan {
  int before;  // of the threads of lower index
  int total;   // of all
};

// `partial`: one int of shared memory per warp. REQUIRES: whole warps, all threads call.
__device__ inline Scan ScanBlock(int value, int* partial) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
  const int warp = static_cast<int>(threadIdx.x) / kWarpThreads;
  int through = value;
  for (int step = 1; step < kWarpThreads; step *= 2) {
    const int below = __shfl_up_sync(0xffffffffu, through, step);
    if (lane >= step) through += below;
  }
  if (lane == kWarpThreads - 1) partial[warp] = through;
  __syncthreads();
  Scan scan{through - value, 0};
  for (int i = 0; i < static_cast<int>(blockDim.x) / kWarpThreads; ++i) {
    if (i < warp) scan.before += partial[i];
    scan.total += partial[i];
  }
  __syncthreads();  // `partial` may be written again
  return scan;
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_BLOCK_SCAN_CUH_
