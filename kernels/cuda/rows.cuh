// Bodies of the ops that walk rows (kernels/args/elementwise.h). A row's bits depend on that row
// alone: a block owns a row, or a thread an element, and sums have one order.
#ifndef SWITCHYARD_KERNELS_CUDA_ROWS_CUH_
#define SWITCHYARD_KERNELS_CUDA_ROWS_CUH_

#include "kernels/cuda/rope.cuh"
#include "kernels/cuda/rows_common.cuh"

namespace switchyard::kernels::cuda {

// The first item of this thread, and the step to its next, when the grid walks items.
__device__ inline int64_t FirstItem() {
  return static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline int64_t ItemStep() { return static_cast<int64_t>(gridDim.x) * blockDim.x; }

template <typename T>
__global__ void EmbeddingKernel(const int32_t* ids, Rows<const T> table, int64_t first_row,
                                float scale, Rows<__nv_bfloat16> y) {
  const int64_t row = ids[blockIdx.x] - first_row;
  const bool here = row >= 0 && row < table.count;
  __nv_bfloat16* const to = y.data + blockIdx.x * y.stride;
  for (int64_t i = threadIdx.x; i < y.width; i += blockDim.x) {
    to[i] = FromF32<__nv_bfloat16>(here ? scale * ToF32(table.data[row * table.stride + i]) : 0.0f);
  }
}

template <typename Delta>
__global__ void AddKernel(Rows<__nv_bfloat16> x, Rows<const Delta> delta) {
  for (int64_t item = FirstItem(); item < x.count * x.width; item += ItemStep()) {
    const int64_t row = item / x.width, column = item % x.width;
    __nv_bfloat16& to = x.data[row * x.stride + column];
    to = FromF32<__nv_bfloat16>(ToF32(to) + ToF32(delta.data[row * delta.stride + column]));
  }
}

struct RopeRows {
  __nv_bfloat16* x;
  int64_t rows, heads;
  int64_t row_stride, head_stride;
};

inline __global__ void RopeKernel(RopeRows x, Rotary rotary) {
  const int64_t pairs = rotary.pairs();
  for (int64_t item = FirstItem(); item < x.rows * x.heads * pairs; item += ItemStep()) {
    const int64_t pair = item % pairs, head = item / pairs % x.heads;
    const int64_t row = item / pairs / x.heads;
    __nv_bfloat16* const at = x.x + row * x.row_stride + head * x.head_stride;
    rotary.Put(at, pair, rotary.Turned(at, row, pair));
  }
}

inline __global__ void GatherRowsKernel(const uint8_t* x, int64_t x_stride, const int32_t* rows,
                                        uint8_t* y, int64_t y_stride, int64_t row_bytes) {
  CopyRow(x + rows[blockIdx.x] * x_stride, y + blockIdx.x * y_stride, row_bytes);
}

template <typename From, typename To>
__global__ void CastKernel(Rows<const From> x, Rows<To> y) {
  for (int64_t item = FirstItem(); item < x.count * x.width; item += ItemStep()) {
    const int64_t row = item / x.width, column = item % x.width;
    y.data[row * y.stride + column] = FromF32<To>(ToF32(x.data[row * x.stride + column]));
  }
}

// The sums of a binary counter, REQUIRES num_parts < 2^kMaxTreeLevels: pending[l] is a finished
// tree of 2^l parts. `y` may be part 0: each element is read before it is written, by one thread.
inline constexpr int kMaxTreeLevels = 10;

template <typename To>
__global__ void TreeSumKernel(const float* parts, int64_t num_parts, int64_t stride, int64_t n,
                              To* y) {
  for (int64_t i = FirstItem(); i < n; i += ItemStep()) {
    float pending[kMaxTreeLevels];
    float sum = 0;
    for (int64_t part = 0; part < num_parts; ++part) {
      sum = parts[part * stride + i];
      bool placed = false;
#pragma unroll  // `pending` stays in registers
      for (int level = 0; level < kMaxTreeLevels; ++level) {
        const bool full = (part >> level & 1) != 0;
        if (!placed && full) sum = pending[level] + sum;
        if (!placed && !full) pending[level] = sum;
        placed = placed || !full;
      }
    }
    y[i] = FromF32<To>(sum);
  }
}

// `y` may be part 0: as above.
inline __global__ void LargestPartKernel(const float* parts, int64_t num_parts, int64_t stride,
                                         int64_t n, float* y) {
  for (int64_t i = FirstItem(); i < n; i += ItemStep()) {
    float largest = parts[i];
    for (int64_t part = 1; part < num_parts; ++part) {
      const float value = parts[part * stride + i];
      if (value > largest || isnan(value)) largest = value;  // a NaN is never replaced
    }
    y[i] = largest;
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ROWS_CUH_
