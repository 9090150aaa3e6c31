// FP8 weights with a scale per block:
//
//   W[r, c] = float(w8[r, c]) * scale[r / block_rows, c / block_cols]
//
// Blocks are 128x128 as DeepSeek publishes them, whole rows, or the whole tensor
// (compressed-tensors, "channel" and "tensor"). They count from the whole tensor's first row and
// column, so a slice of it may begin and end inside one. The last block of a row or column of
// blocks may be smaller: it is cut, not stretched.
//
// Symbols: R, C rows and columns of the slice; BR, BC rows and columns of the blocks it touches.
#ifndef SWITCHYARD_WORKER_WEIGHTS_BLOCK_FP8_H_
#define SWITCHYARD_WORKER_WEIGHTS_BLOCK_FP8_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "base/status.h"
#include "base/units.h"
#include "kernels/dtype.h"

namespace switchyard::worker {

inline constexpr int64_t kFp8BlockSize = 128;  // `weight_block_size` of every published checkpoint
inline constexpr float kFp8Max = 448.0f;       // largest e4m3

// A part of an FP8 matrix.
struct BlockSlice {
  int64_t row_begin = 0;  // in the whole tensor
  int64_t col_begin = 0;
  int64_t num_rows = 0;
  int64_t num_cols = 0;
  int64_t block_rows = kFp8BlockSize;
  int64_t block_cols = kFp8BlockSize;

  int64_t first_block_row() const { return row_begin / block_rows; }
  int64_t first_block_col() const { return col_begin / block_cols; }
  int64_t num_block_rows() const {
    return CeilDiv(row_begin + num_rows, block_rows) - first_block_row();
  }
  int64_t num_block_cols() const {
    return CeilDiv(col_begin + num_cols, block_cols) - first_block_col();
  }
};

// float(e8m0) = 2^(byte - 127); 0xff is NaN.
float E8m0ToFloat(uint8_t value);

// Every scale must be finite and positive. INVALID_ARGUMENT names `tensor` and the block, counted
// in the whole tensor.
absl::Status CheckScales(std::string_view tensor, const BlockSlice& slice,
                         std::span<const float> scales);  // [BR, BC]

// out = the slice's values, rounded to nearest even where Bf16.
void DequantizeBlocks(const BlockSlice& slice, const kernels::F8E4M3* weights,  // [R, C]
                      const float* scales,                                      // [BR, BC]
                      kernels::Bf16* out);                                      // [R, C]
void DequantizeBlocks(const BlockSlice& slice, const kernels::F8E4M3* weights, const float* scales,
                      float* out);

// The inverse: scale = max|x| / 448 of each block (1 where all are zero), weight = e4m3(x / scale).
// REQUIRES: the slice begins at a block's corner and ends at one or at the tensor's end, so that it
// has whole blocks; finite values.
void QuantizeBlocks(const BlockSlice& slice, const float* values,  // [R, C]
                    kernels::F8E4M3* weights,                      // [R, C]
                    float* scales);                                // [BR, BC]

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_BLOCK_FP8_H_
