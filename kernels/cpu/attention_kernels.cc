#include "kernels/cpu/attention_kernels.h"

namespace switchyard::kernels::cpu {

const AttentionKernels& AttentionKernelsOf(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512Bf16) return kAttentionKernelsAvx512Bf16;
  if (isa == Isa::kAvx512) return kAttentionKernelsAvx512;
  if (isa == Isa::kAvx2) return kAttentionKernelsAvx2;
#endif
  (void)isa;
  return kAttentionKernelsPortable;
}

}  // namespace switchyard::kernels::cpu
