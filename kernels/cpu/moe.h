// The gate, the combine, and the way of tokens to experts. Meaning and shapes: kernels/args/moe.h.
#ifndef SWITCHYARD_KERNELS_CPU_MOE_H_
#define SWITCHYARD_KERNELS_CPU_MOE_H_

#include "kernels/args/moe.h"
#include "kernels/cpu/cpu_context.h"

namespace switchyard::kernels::cpu {

void Gate(const CpuContext& cpu, const GateArgs& args);
void CombineRows(const CpuContext& cpu, const CombineRowsArgs& args);
void PlaceTokens(const CpuContext& cpu, const PlaceTokensArgs& args);
void RouteTokens(const CpuContext& cpu, const RouteTokensArgs& args);
void DispatchTokens(const CpuContext& cpu, const DispatchTokensArgs& args);
void ReceiveTokens(const CpuContext& cpu, const ReceiveTokensArgs& args);
void SelectRows(const CpuContext& cpu, const SelectRowsArgs& args);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_MOE_H_
