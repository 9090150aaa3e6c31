// Bodies of the kernels that move whole rows of tokens to their places (kernels/args/moe.h).
#ifndef SWITCHYARD_KERNELS_CUDA_PLACE_CUH_
#define SWITCHYARD_KERNELS_CUDA_PLACE_CUH_

#include <cstdint>

#include "kernels/args/padding.h"
#include "kernels/cuda/rows_common.cuh"

namespace switchyard::kernels::cuda {

struct PlacedTokens {
  const uint8_t* x;
  int64_t x_stride;  // bytes
  const int32_t* ids;
  int64_t ids_stride;
  const int64_t* cache_slots;  // null: all are tokens
  int num_tokens, num_slots;
  uint8_t* places_x;
  int64_t places_x_stride;  // bytes
  int32_t* places_ids;
  int64_t places_ids_stride;
  int64_t row_bytes;
};

// A block for each place.
inline __global__ void PlaceTokensKernel(PlacedTokens tokens) {
  const int64_t place = blockIdx.x;
  const bool has_row = place < tokens.num_tokens;
  const bool has_token =
      has_row && (tokens.cache_slots == nullptr || tokens.cache_slots[place] != kNoSlot);
  for (int j = static_cast<int>(threadIdx.x); j < tokens.num_slots; j += blockDim.x) {
    tokens.places_ids[place * tokens.places_ids_stride + j] =
        has_token ? tokens.ids[place * tokens.ids_stride + j] : -1;
  }
  if (!has_row) return;
  CopyRow(tokens.x + place * tokens.x_stride, tokens.places_x + place * tokens.places_x_stride,
          tokens.row_bytes);
}

// A block for each row of y.
inline __global__ void SelectRowsKernel(const uint8_t* x, int64_t x_stride, int64_t num_rows,
                                        const int32_t* rows, uint8_t* y, int64_t y_stride,
                                        int64_t row_bytes) {
  const int64_t row = rows[blockIdx.x];
  if (row == -1) return;
  if (row < 0 || row >= num_rows) __trap();
  CopyRow(x + row * x_stride, y + blockIdx.x * y_stride, row_bytes);
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_PLACE_CUH_
