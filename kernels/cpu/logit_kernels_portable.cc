#include "kernels/cpu/logit_kernels_impl.h"

namespace switchyard::kernels::cpu {

const LogitKernels kLogitKernelsPortable = kLogitKernels;

}  // namespace switchyard::kernels::cpu
