// Ops from logits to tokens. Meaning and shapes: kernels/args/logits.h.
#ifndef SWITCHYARD_KERNELS_CPU_LOGITS_H_
#define SWITCHYARD_KERNELS_CPU_LOGITS_H_

#include "kernels/args/logits.h"
#include "kernels/cpu/cpu_context.h"

namespace switchyard::kernels::cpu {

void EditLogits(const CpuContext& cpu, const EditLogitsArgs& args);
void LogitMax(const CpuContext& cpu, const LogitMaxArgs& args);
void LogitHistogram(const CpuContext& cpu, const LogitHistogramArgs& args);
void LogitMassOf(const CpuContext& cpu, const LogitMassArgs& args);
void LogitPick(const CpuContext& cpu, const LogitPickArgs& args);
void LogitCollect(const CpuContext& cpu, const LogitCollectArgs& args);
void LogitGather(const CpuContext& cpu, const LogitGatherArgs& args);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_LOGITS_H_
