// grid.sync between co-resident blocks, and the limit of a cooperative launch.
#include <cooperative_groups.h>

#include "tests/emulator/cudart/programs/check.h"

namespace cg = cooperative_groups;

__global__ void Rounds(int* cells, int rounds) {
  const cg::grid_group grid = cg::this_grid();
  const unsigned next = (blockIdx.x + 1) % gridDim.x;
  for (int i = 0; i < rounds; ++i) {
    int mine = 0;
    if (threadIdx.x == 0) mine = *const_cast<volatile int*>(&cells[next]);
    grid.sync();
    if (threadIdx.x == 0) *const_cast<volatile int*>(&cells[blockIdx.x]) = mine + 1;
    grid.sync();
  }
}

int main() {
  int* cells;
  int rounds = 5;
  CHECK_CUDA(cudaMalloc(&cells, 16 * sizeof(int)));
  CHECK_CUDA(cudaMemset(cells, 0, 16 * sizeof(int)));
  void* args[] = {&cells, &rounds};
  const void* kernel = reinterpret_cast<const void*>(Rounds);
  CHECK_CUDA(cudaLaunchCooperativeKernel(kernel, dim3(16), dim3(64), args, 0, nullptr));
  int back[16];
  CHECK_CUDA(cudaMemcpy(back, cells, sizeof back, cudaMemcpyDeviceToHost));
  for (const int cell : back) CHECK(cell == rounds);
  EXPECT_CUDA(cudaErrorCooperativeLaunchTooLarge,
              cudaLaunchCooperativeKernel(kernel, dim3(132 * 32 + 1), dim3(64), args, 0, nullptr));
  return 0;
}
