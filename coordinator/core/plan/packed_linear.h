// Bytes of device memory that a weight takes as a backend packs it. A weight's shape decides, so a
// planner knows them before there is a device. The backends pack (kernels/cpu/panel_matrix.h,
// kernels/cuda/choose/gemm_layout.h); rank_memory_test holds both against this, to
// the byte.
#ifndef SWITCHYARD_COORDINATOR_CORE_PLAN_PACKED_LINEAR_H_
#define SWITCHYARD_COORDINATOR_CORE_PLAN_PACKED_LINEAR_H_

#include <cstdint>

#include "base/status.h"
#include "proto/model.pb.h"

namespace switchyard::core {

enum class BackendKind { kCpu, kCuda };

// "cpu" or "cuda", as workers call themselves. INVALID_ARGUMENT otherwise.
absl::StatusOr<BackendKind> ParseBackendKind(std::string_view name);

// A slice [rows, cols] of a weight, as a rank asks its backend to pack it.
struct LinearPart {
  int64_t rows = 0;
  int64_t cols = 0;
  // Where the slice begins in the whole tensor: FP8 scale blocks count from there.
  int64_t row_begin = 0;
  int64_t col_begin = 0;
  int64_t k_shards = 1;  // equal parts of the columns that are summed by themselves
  v1::DataType stored = v1::DATA_TYPE_BF16;
  int64_t scale_rows = 128;  // of an FP8 weight's scale block; 0: all
  // Whole numbers of so many bits, where a backend keeps such and `compute` is bf16; 0: `stored`.
  int32_t bits = 0;
  int64_t group_columns = 0;  // of these: columns that share a scale; 0: all
  bool zeros = false;         // with zero points
  bool mxfp4 = false;         // floats of 4 bits in blocks of 32 columns; CPUs keep `stored`
  v1::ComputeMode compute = v1::COMPUTE_MODE_BF16;
  bool gate_up = false;  // two weights of this shape, packed together
  bool bias = false;
};

int64_t PackedBytes(BackendKind backend, const LinearPart& part);

// Bytes of one activation.
constexpr int64_t ActivationElementBytes(BackendKind backend) {
  return backend == BackendKind::kCpu ? 4 : 2;
}

// Bytes of one element of the cache. BF16 compute caches BF16, and so does a backend whose
// activations are BF16.
constexpr int64_t CacheElementBytes(BackendKind backend, v1::ComputeMode compute) {
  return compute == v1::COMPUTE_MODE_BF16 ? 2 : ActivationElementBytes(backend);
}

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_PLAN_PACKED_LINEAR_H_
