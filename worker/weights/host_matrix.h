// A slice of a matrix that has come from the disk, with what belongs to it, as packing wants it.
#ifndef SWITCHYARD_WORKER_WEIGHTS_HOST_MATRIX_H_
#define SWITCHYARD_WORKER_WEIGHTS_HOST_MATRIX_H_

#include <cstddef>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "kernels/args/linear.h"
#include "worker/weights/block_fp8.h"
#include "worker/weights/matrix_slice.h"
#include "worker/weights/tensor_range.h"

namespace switchyard::worker {

// The type that kernels have for it; none for types that nothing computes with.
std::optional<kernels::DType> WeightDType(FileDtype dtype);

// REQUIRES: f32, f16 or bf16.
std::vector<float> ToFloats(const kernels::TensorView& view);

// A range that was asked for, and the one that is read: the same, or wider.
struct HostRange {
  TensorRange wanted;
  TensorRange read;
  size_t index = 0;  // among the ranges of its task
};

// Where the range of an index came to.
using RangeData = std::function<const std::byte*(size_t index)>;

struct HostMatrix {
  MatrixSlice slice;
  BlockSlice blocks;           // FP8: the slice in its tensor
  kernels::TensorView weight;  // [num_rows, num_cols]
  HostRange weight_range;
  std::optional<HostRange> scale_range;  // FP8 only
  std::vector<float> scales;             // [block rows, block cols] that the slice touches
  std::optional<HostRange> bias_range;
  kernels::DType bias_dtype = kernels::DType::kF32;
  std::vector<float> bias;
  std::vector<std::byte> moved;  // the weight, where it could not stay where it came to

  // Makes weight, scales and bias of what came. INVALID_ARGUMENT for scales that are no positive
  // numbers. REQUIRES: `data` stays as long as the weight is used.
  absl::Status Decode(const RangeData& data);

  kernels::LinearSource Source(kernels::Compute mode) const;
  // f32 [num_rows, num_cols], FP8 dequantised.
  std::vector<float> Values() const;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_HOST_MATRIX_H_
