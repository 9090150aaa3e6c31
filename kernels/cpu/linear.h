// Packing weights into row panels and multiplying them.
// Meaning and shapes: kernels/args/linear.h.
#ifndef SWITCHYARD_KERNELS_CPU_LINEAR_H_
#define SWITCHYARD_KERNELS_CPU_LINEAR_H_

#include <memory>

#include "base/status.h"
#include "kernels/args/linear.h"
#include "kernels/cpu/cpu_context.h"
#include "kernels/cpu/panel_kernels.h"
#include "kernels/device.h"

namespace switchyard::kernels::cpu {

std::unique_ptr<PackedLinear> Pack(const CpuContext& cpu, Device& device,
                                   const LinearSource& source);
std::unique_ptr<PackedLinear> PackGateUp(const CpuContext& cpu, Device& device,
                                         const LinearSource& gate, const LinearSource& up);

// See Ops::StartPack.
inline constexpr int64_t kPackRowStep = int64_t{kGroupPanels} * kPanelRows;
std::unique_ptr<PackedLinear> StartPack(const CpuContext& cpu, Device& device,
                                        const LinearSource& rows, const LinearSource* up,
                                        int64_t n);
void PackRows(const CpuContext& cpu, const LinearSource& rows, const LinearSource* up,
              int64_t row_begin, PackedLinear* packed);
absl::StatusOr<std::unique_ptr<PackedLinear>> Restore(const CpuContext& cpu, const PackedForm& form,
                                                      Buffer memory);

void Linear(const CpuContext& cpu, const LinearArgs& args);
void GroupAmax(const CpuContext& cpu, const GroupAmaxArgs& args);
void BatchedLinear(const CpuContext& cpu, const BatchedLinearArgs& args);
void GateUp(const CpuContext& cpu, const GateUpArgs& args);
void GroupedMlp(const CpuContext& cpu, const GroupedMlpArgs& args);
void RoutedMlp(const CpuContext& cpu, const RoutedMlpArgs& args);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_LINEAR_H_
