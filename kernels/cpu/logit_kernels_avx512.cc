#include "kernels/cpu/logit_kernels_impl.h"

namespace switchyard::kernels::cpu {

const LogitKernels kLogitKernelsAvx512 = kLogitKernels;

}  // namespace switchyard::kernels::cpu
