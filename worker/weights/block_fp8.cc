#include "worker/weights/block_fp8.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace switchyard::worker {
namespace {

using kernels::Bf16;
using kernels::F8E4M3;

constexpr int kNumCodes = 256;

// The part of the slice inside one block, in the slice's own coordinates.
struct Tile {
  int64_t row_begin, row_end;
  int64_t col_begin, col_end;
  int64_t block;  // index into the slice's [BR, BC] scales
};

template <typename Function>
void ForEachTile(const BlockSlice& slice, const Function& function) {
  for (int64_t i = 0; i < slice.num_block_rows(); ++i) {
    const int64_t row = (slice.first_block_row() + i) * slice.block_rows - slice.row_begin;
    for (int64_t j = 0; j < slice.num_block_cols(); ++j) {
      const int64_t col = (slice.first_block_col() + j) * slice.block_cols - slice.col_begin;
      function(Tile{.row_begin = std::max<int64_t>(row, 0),
                    .row_end = std::min(row + slice.block_rows, slice.num_rows),
                    .col_begin = std::max<int64_t>(col, 0),
                    .col_end = std::min(col + slice.block_cols, slice.num_cols),
                    .block = i * slice.num_block_cols() + j});
    }
  }
}

const std::array<float, kNumCodes>& E4m3Values() {
  static const std::array<float, kNumCodes> values = [] {
    std::array<float, kNumCodes> table;
    for (int code = 0; code < kNumCodes; ++code) table[code] = kernels::ToFloat(F8E4M3(code));
    return table;
  }();
  return values;
}

void Round(float value, float& out) { out = value; }
void Round(float value, Bf16& out) { out = kernels::ToBf16(value); }

// A block has at most 256 different results: they are computed once, then looked up.
template <typename T>
void Dequantize(const BlockSlice& slice, const F8E4M3* weights, const float* scales, T* out) {
  ForEachTile(slice, [&](const Tile& tile) {
    std::array<T, kNumCodes> results;
    for (int code = 0; code < kNumCodes; ++code) {
      Round(E4m3Values()[code] * scales[tile.block], results[code]);
    }
    for (int64_t row = tile.row_begin; row < tile.row_end; ++row) {
      const int64_t base = row * slice.num_cols;
      for (int64_t i = base + tile.col_begin; i < base + tile.col_end; ++i) {
        out[i] = results[static_cast<uint8_t>(weights[i])];
      }
    }
  });
}

// kernels::ToF8E4M3 for |value| <= 448 without a branch, so that loops over it use vector
// instructions.
uint8_t QuantizeInRange(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t magnitude = bits & 0x7fffffffu;
  // From 2^-6 on: drop 20 of 23 mantissa bits to nearest even and move the exponent's bias from 127
  // to 7.
  const uint32_t normal =
      ((magnitude + 0x7ffffu + ((magnitude >> 20) & 1u)) >> 20) - ((127 - 7) << 3);
  // Below: floats around 2^14 are 2^-9 apart, the step of e4m3's subnormals, so the sum rounds to
  // it.
  constexpr float kStep = 0x1p14f;
  const uint32_t subnormal = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + kStep) -
                             std::bit_cast<uint32_t>(kStep);
  const bool is_normal = magnitude >= std::bit_cast<uint32_t>(0x1p-6f);
  return static_cast<uint8_t>((bits >> 31 << 7) | (is_normal ? normal : subnormal));
}

float MaxMagnitude(const BlockSlice& slice, const Tile& tile, const float* values) {
  // Magnitudes of finite floats are ordered like their bits; integers let the loop use vector
  // instructions.
  uint32_t max_bits = 0;
  for (int64_t row = tile.row_begin; row < tile.row_end; ++row) {
    const int64_t base = row * slice.num_cols;
    for (int64_t i = base + tile.col_begin; i < base + tile.col_end; ++i) {
      max_bits = std::max(max_bits, std::bit_cast<uint32_t>(values[i]) & 0x7fffffffu);
    }
  }
  return std::bit_cast<float>(max_bits);
}

}  // namespace

float E8m0ToFloat(uint8_t value) {
  if (value == 0xff) return std::numeric_limits<float>::quiet_NaN();
  return std::ldexp(1.0f, int(value) - 127);
}

absl::Status CheckScales(std::string_view tensor, const BlockSlice& slice,
                         std::span<const float> scales) {
  const int64_t block_cols = slice.num_block_cols();
  SY_CHECK_EQ(int64_t(scales.size()), slice.num_block_rows() * block_cols) << tensor;
  for (size_t i = 0; i < scales.size(); ++i) {
    if (std::isfinite(scales[i]) && scales[i] > 0) continue;
    return absl::InvalidArgumentError(
        fmt::format("tensor \"{}\": the scale of block [{}, {}] is {}, not a positive number",
                    tensor, slice.first_block_row() + int64_t(i) / block_cols,
                    slice.first_block_col() + int64_t(i) % block_cols, scales[i]));
  }
  return absl::OkStatus();
}

void DequantizeBlocks(const BlockSlice& slice, const F8E4M3* weights, const float* scales,
                      Bf16* out) {
  Dequantize(slice, weights, scales, out);
}

void DequantizeBlocks(const BlockSlice& slice, const F8E4M3* weights, const float* scales,
                      float* out) {
  Dequantize(slice, weights, scales, out);
}

void QuantizeBlocks(const BlockSlice& slice, const float* values, F8E4M3* weights, float* scales) {
  SY_CHECK(slice.row_begin % slice.block_rows == 0 && slice.col_begin % slice.block_cols == 0);
  ForEachTile(slice, [&](const Tile& tile) {
    const float amax = MaxMagnitude(slice, tile, values);
    SY_CHECK(std::isfinite(amax));
    // A block of numbers too small to divide by their scale is a block of zeros.
    const float scale = amax / kFp8Max >= std::numeric_limits<float>::min() ? amax / kFp8Max : 1.0f;
    scales[tile.block] = scale;
    for (int64_t row = tile.row_begin; row < tile.row_end; ++row) {
      const int64_t base = row * slice.num_cols;
      for (int64_t i = base + tile.col_begin; i < base + tile.col_end; ++i) {
        // Rounding of the quotient may pass the largest value by a hair; nearest even brings it
        // back.
        weights[i] = F8E4M3(QuantizeInRange(values[i] / scale));
      }
    }
  });
}

}  // namespace switchyard::worker
