// The product kernel's instances of one form, in a file of their own because they take long to
// compile.
#include "kernels/cuda/gemm.cuh"

namespace switchyard::kernels::cuda {

GemmKernelPointer Int4Kernel(int tokens) { return KernelFor<GemmForm::kInt4>(tokens); }

}  // namespace switchyard::kernels::cuda
