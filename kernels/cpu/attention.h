// Latent attention, naive and absorbed, over the paged cache. Meaning and shapes:
// kernels/args/attention.h.
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_H_

#include "kernels/args/attention.h"
#include "kernels/cpu/cpu_context.h"

namespace switchyard::kernels::cpu {

void LatentWrite(const CpuContext& cpu, const LatentWriteArgs& args);
void LatentGather(const CpuContext& cpu, const LatentGatherArgs& args);
void PrefillAttention(const CpuContext& cpu, const PrefillAttentionArgs& args);
void DecodeAttention(const CpuContext& cpu, const DecodeAttentionArgs& args);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_H_
