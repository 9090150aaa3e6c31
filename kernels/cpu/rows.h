// Ops that walk rows: embedding, norm, rotary embedding, casts, sums. Meaning and shapes:
// kernels/args/elementwise.h.
#ifndef SWITCHYARD_KERNELS_CPU_ROWS_H_
#define SWITCHYARD_KERNELS_CPU_ROWS_H_

#include "kernels/args/elementwise.h"
#include "kernels/cpu/cpu_context.h"

namespace switchyard::kernels::cpu {

void Embedding(const CpuContext& cpu, const EmbeddingArgs& args);
void RmsNorm(const CpuContext& cpu, const RmsNormArgs& args);
void Add(const CpuContext& cpu, const AddArgs& args);
void Rope(const CpuContext& cpu, const RopeArgs& args);
void GatherRows(const CpuContext& cpu, const GatherRowsArgs& args);
void Cast(const CpuContext& cpu, const CastArgs& args);
void TreeSum(const CpuContext& cpu, const TreeSumArgs& args);
void LargestPart(const CpuContext& cpu, const LargestPartArgs& args);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ROWS_H_
