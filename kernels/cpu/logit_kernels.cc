#include "kernels/cpu/logit_kernels.h"

namespace switchyard::kernels::cpu {

const LogitKernels& LogitKernelsOf(Isa isa) {
#if defined(__x86_64__)
  if (isa >= Isa::kAvx512) return kLogitKernelsAvx512;
  if (isa == Isa::kAvx2) return kLogitKernelsAvx2;
#endif
  (void)isa;
  return kLogitKernelsPortable;
}

}  // namespace switchyard::kernels::cpu
