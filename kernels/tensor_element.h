// One element of a weight as a float: for packing, which meets every type that a checkpoint has.
#ifndef SWITCHYARD_KERNELS_TENSOR_ELEMENT_H_
#define SWITCHYARD_KERNELS_TENSOR_ELEMENT_H_

#include "kernels/tensor_view.h"

namespace switchyard::kernels {

// REQUIRES: f32, bf16, f16 or f8e4m3, in host memory.
inline float ElementAsFloat(const TensorView& tensor, int64_t row, int64_t column) {
  switch (tensor.dtype) {
    case DType::kF32:
      return tensor.row<float>(row)[column];
    case DType::kBf16:
      return ToFloat(tensor.row<Bf16>(row)[column]);
    case DType::kF16:
      return ToFloat(tensor.row<F16>(row)[column]);
    case DType::kF8E4M3:
      return ToFloat(tensor.row<F8E4M3>(row)[column]);
    default:
      SY_CHECK(false) << "not a weight type: " << Name(tensor.dtype);
      return 0;
  }
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_TENSOR_ELEMENT_H_
