#include "kernels/cpu/row_kernels.h"

namespace switchyard::kernels::cpu {

const RowKernels& RowKernelsOf(Isa isa) {
#if defined(__x86_64__)
  if (isa >= Isa::kAvx512) return kRowKernelsAvx512;
  if (isa == Isa::kAvx2) return kRowKernelsAvx2;
#endif
  (void)isa;
  return kRowKernelsPortable;
}

}  // namespace switchyard::kernels::cpu
