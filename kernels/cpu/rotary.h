// The rotation of heads by a table of cosines and sines.
#ifndef SWITCHYARD_KERNELS_CPU_ROTARY_H_
#define SWITCHYARD_KERNELS_CPU_ROTARY_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "base/check.h"
#include "kernels/cpu/cpu_context.h"
#include "kernels/cpu/row_kernels.h"
#include "kernels/tensor_view.h"

namespace switchyard::kernels::cpu {

class Rotary {
 public:
  // `op` names the asker in messages.
  Rotary(const CpuContext& cpu, std::string_view op, std::span<const int32_t> positions,
         const TensorView& table, bool halves)
      : op_(op),
        positions_(positions),
        table_(table),
        turn_(halves ? RowKernelsOf(cpu.isa).rope_halves : RowKernelsOf(cpu.isa).rope) {}

  // Of token t. Dies of a CHECK where its position is not in the table.
  const float* Angles(int64_t t) const {
    const int64_t position = positions_[static_cast<size_t>(t)];
    SY_CHECK(position >= 0 && position < table_.rows())
        << op_ << ": positions[" << t << "]: expected below " << table_.rows() << ", got "
        << position;
    return table_.row<const float>(position);
  }
  void Turn(float* head, const float* angles) const { turn_(head, angles, table_.dims[1]); }

 private:
  const std::string_view op_;
  const std::span<const int32_t> positions_;
  const TensorView table_;
  void (*const turn_)(float*, const float*, int64_t);
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ROTARY_H_
