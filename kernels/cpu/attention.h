// Latent attention, naive and absorbed, and grouped-query attention, over their paged caches.
// Meaning and shapes: kernels/args/attention.h, kernels/args/gqa.h.
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_H_

#include "kernels/args/attention.h"
#include "kernels/args/gqa.h"
#include "kernels/cpu/cpu_context.h"

namespace switchyard::kernels::cpu {

void LatentWrite(const CpuContext& cpu, const LatentWriteArgs& args);
void LatentGather(const CpuContext& cpu, const LatentGatherArgs& args);
int64_t KeyTileBytes(const KeyTileShape& shape);
void LayOutKeys(const CpuContext& cpu, const LayOutKeysArgs& args);
void PrefillAttention(const CpuContext& cpu, const PrefillAttentionArgs& args);
void DecodeAttention(const CpuContext& cpu, const DecodeAttentionArgs& args);

void GqaWrite(const CpuContext& cpu, const GqaWriteArgs& args);
void GqaPrefill(const CpuContext& cpu, const GqaPrefillArgs& args);
void GqaDecode(const CpuContext& cpu, const GqaDecodeArgs& args);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_H_
