// The product kernel's instances of one form, in a file of their own because they take long to
// compile.
#include "kernels/cuda/gemm.cuh"

namespace switchyard::kernels::cuda {

GemmKernelPointer Bf16ScaledKernel(int tokens) { return KernelFor<GemmForm::kBf16Scaled>(tokens); }

}  // namespace switchyard::kernels::cuda
