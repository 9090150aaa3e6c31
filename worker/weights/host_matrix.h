// A slice of a matrix that has come from the disk, with what belongs to it, as packing wants it.
#ifndef SWITCHYARD_WORKER_WEIGHTS_HOST_MATRIX_H_
#define SWITCHYARD_WORKER_WEIGHTS_HOST_MATRIX_H_

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "kernels/args/linear.h"
#include "worker/weights/block_fp8.h"
#include "worker/weights/gguf_halves.h"
#include "worker/weights/gguf_matrix.h"
#include "worker/weights/host_range.h"
#include "worker/weights/int4_matrix.h"
#include "worker/weights/matrix_slice.h"

namespace switchyard::worker {

// The type that kernels have for it; none for types that nothing computes with.
std::optional<kernels::DType> WeightDType(FileDtype dtype);

// In which form a slice is packed where others are in `form`: `fine` and `precise` ones get a
// better one.
kernels::WeightForm FormOfSlice(const MatrixSlice& slice, kernels::Compute mode,
                                kernels::WeightForm form);

// REQUIRES: f32, f16 or bf16.
std::vector<float> ToFloats(const kernels::TensorView& view);

struct HostMatrix {
  MatrixSlice slice;
  BlockSlice blocks;                     // FP8: the slice in its tensor
  kernels::TensorView weight;            // [num_rows, num_cols]
  HostRange weight_range;                // of a 4-bit weight its codes
  std::optional<HostRange> scale_range;  // FP8 only
  std::vector<float> scales;             // [block rows, block cols] that the slice touches
  std::optional<HostRange> bias_range;
  kernels::DType bias_dtype = kernels::DType::kF32;
  std::vector<float> bias;
  std::optional<Int4Matrix> int4;    // the weight is made of these parts
  Int4Values numbers;                // which are the weight
  std::optional<GgufMatrix> gguf;    // the weight is made of blocks, or its rows are put in order
  std::optional<GgufHalves> halves;  // the weight is made of these
  std::vector<float> joined;         // which is then here
  std::vector<std::byte> moved;      // the weight, where it could not stay where it came to

  // Makes weight, scales and bias of what came. INVALID_ARGUMENT for scales that are no positive
  // numbers, and see Int4Matrix. REQUIRES: `data` stays as long as the weight is used.
  absl::Status Decode(const RangeData& data);

  // `form`: see LinearSource; `fine` and `precise` slices get a better one. Before Decode it says
  // shapes and places, and has no data.
  kernels::LinearSource Source(kernels::Compute mode, kernels::WeightForm form) const;
  // f32 [num_rows, num_cols], dequantised.
  std::vector<float> Values() const;

 private:
  bool HasNumbers() const;
  absl::Status DecodeInt4(const RangeData& data);
  absl::Status DecodeGguf(const RangeData& data);
  absl::Status DecodeHalves(const RangeData& data);
  absl::Status DecodeScales(const RangeData& data);
  void PlaceBlocks(kernels::LinearSource* source) const;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_HOST_MATRIX_H_
