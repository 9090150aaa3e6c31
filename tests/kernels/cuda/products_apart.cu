// Products of a warpgroup that run one behind the other: with SWITCHYARD_APART they are taken
// apart, because the sums are touched between them. For build_test alone.
#include "kernels/cuda/ptx/wgmma.cuh"

namespace switchyard::kernels::cuda {

__global__ void ProductsKernel(float* out, uint64_t a, uint64_t b) {
  float sums[4] = {};
  for (float& sum : sums) ptx::HoldRegister(sum);
  ptx::WgmmaFence();
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    ptx::Wgmma<8>::Bf16(sums, a + i * ptx::kDescriptorStep, b, /*add=*/1);
#ifdef SWITCHYARD_APART
    sums[0] += 1;
#endif
  }
  ptx::WgmmaCommit();
  ptx::WgmmaWait<0>();
  for (float& sum : sums) ptx::HoldRegister(sum);
  out[threadIdx.x] = sums[0] + sums[1] + sums[2] + sums[3];
}

}  // namespace switchyard::kernels::cuda
