// Launching a kernel in the op's stream, with the launch's own error reported at once.
#ifndef SWITCHYARD_KERNELS_CUDA_LAUNCH_CUH_
#define SWITCHYARD_KERNELS_CUDA_LAUNCH_CUH_

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/cuda_check.h"
#include "kernels/cuda/cuda_context.h"

namespace switchyard::kernels::cuda {

struct Grid {
  dim3 blocks;
  int threads;
  int64_t shared_bytes = 0;  // dynamic
};

// REQUIRES: no dimension of grid.blocks is 0.
template <typename... Parameters, typename... Arguments>
void Launch(CudaContext& cuda, void (*kernel)(Parameters...), const Grid& grid,
            Arguments&&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = grid.blocks;
  config.blockDim = dim3(static_cast<unsigned>(grid.threads));
  config.dynamicSmemBytes = static_cast<size_t>(grid.shared_bytes);
  config.stream = cuda.stream();
  SY_CUDA_CHECK(cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...));
}

// Blocks of `threads` that cover `count` items, bounded: kernels walk on in strides of the grid.
inline dim3 BlocksFor(int64_t count, int threads) {
  constexpr int64_t kMaxBlocks = 132 * 16;  // enough for every SM of an H100
  const int64_t blocks = (count + threads - 1) / threads;
  return dim3(static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks));
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_LAUNCH_CUH_
