// The gate and the combine. Meaning and shapes: kernels/args/moe.h.
#ifndef SWITCHYARD_KERNELS_CPU_MOE_H_
#define SWITCHYARD_KERNELS_CPU_MOE_H_

#include "kernels/args/moe.h"
#include "kernels/cpu/cpu_context.h"

namespace switchyard::kernels::cpu {

void Gate(const CpuContext& cpu, const GateArgs& args);
void CombineRows(const CpuContext& cpu, const CombineRowsArgs& args);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_MOE_H_
