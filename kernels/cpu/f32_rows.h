// This backend's activations are f32: the door check of every op that reads or writes them.
#ifndef SWITCHYARD_KERNELS_CPU_F32_ROWS_H_
#define SWITCHYARD_KERNELS_CPU_F32_ROWS_H_

#include <initializer_list>

#include "base/check.h"
#include "kernels/tensor_view.h"

namespace switchyard::kernels::cpu {

inline void CheckF32(std::string_view op, std::initializer_list<const TensorView*> activations) {
  for (const TensorView* view : activations) {
    SY_CHECK(view->empty() || view->dtype == DType::kF32)
        << op << ": expected f32 activations on a CPU, got " << Name(view->dtype);
  }
}

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_F32_ROWS_H_
