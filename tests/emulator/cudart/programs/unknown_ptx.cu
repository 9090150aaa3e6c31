// Device code with an instruction that the emulator does not know: no kernel beside it runs either,
// and the error is that of the first launch and of every later one.
#include "tests/emulator/cudart/programs/check.h"

__global__ void Unknown(unsigned* out) {
  asm volatile("vabsdiff4.u32.u32.u32 %0, %1, %2, %3;" : "=r"(out[0]) : "r"(1), "r"(2), "r"(3));
}
__global__ void Known(unsigned* out) { *out = 1; }

int main() {
  for (int i = 0; i < 2; ++i) {
    Known<<<1, 1>>>(nullptr);
    EXPECT_CUDA(cudaErrorInvalidPtx, cudaGetLastError());
    Unknown<<<1, 1>>>(nullptr);
    EXPECT_CUDA(cudaErrorInvalidPtx, cudaGetLastError());
  }
  CHECK_CUDA(cudaDeviceSynchronize());
  return 0;
}
