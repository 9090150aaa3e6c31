#include "kernels/cpu/source_rows.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "kernels/cpu/int_kernels.h"

namespace switchyard::kernels::cpu {
namespace {

// Every e4m3 code as a float.
const std::array<float, 256>& F8Values() {
  static const std::array<float, 256> values = [] {
    std::array<float, 256> all{};
    for (size_t i = 0; i < all.size(); ++i) all[i] = ToFloat(static_cast<F8E4M3>(i));
    return all;
  }();
  return values;
}

void Put(float value, float* out) { *out = value; }
void Put(float value, Bf16* out) { *out = ToBf16(value); }

template <typename From, typename To>
void Convert(const From* from, int64_t count, To* out) {
  for (int64_t i = 0; i < count; ++i) Put(ToFloat(from[i]), out + i);
}
template <typename To>
void Convert(const float* from, int64_t count, To* out) {
  for (int64_t i = 0; i < count; ++i) Put(from[i], out + i);
}

// Calls take(column, end) for every run of columns that one scale holds for.
template <typename Take>
void ForEachRun(const LinearSource& source, int64_t begin, int64_t count, const Take& take) {
  for (int64_t column = begin; column < begin + count;) {
    const int64_t block = (column + source.col_offset) / source.block_cols;
    const int64_t end =
        std::min(begin + count, (block + 1) * source.block_cols - source.col_offset);
    take(column, end);
    column = end;
  }
}

// Values times their scales.
void Dequantise(const LinearSource& source, int64_t row, int64_t begin, int64_t count, float* out) {
  const std::array<float, 256>& values = F8Values();
  const uint8_t* const codes = source.weight.row<uint8_t>(row);
  ForEachRun(source, begin, count, [&](int64_t column, int64_t end) {
    const float scale = ScaleAt(source, row, column);
    for (; column < end; ++column) *out++ = values[codes[column]] * scale;
  });
}

// Codes of 4-bit floats times their scales.
void WidenFloats(const LinearSource& source, int64_t row, int64_t begin, int64_t count,
                 float* out) {
  const auto* const codes = source.weight.row<F4E2M1>(row);
  ForEachRun(source, begin, count, [&](int64_t column, int64_t end) {
    const float scale = ScaleAt(source, row, column);
    for (; column < end; ++column) *out++ = ToFloat(codes[column]) * scale;
  });
}

// Whole numbers less their zero points, times their scales.
void WidenWhole(const LinearSource& source, int64_t row, int64_t begin, int64_t count, float* out) {
  const auto* const codes = source.weight.row<int8_t>(row);
  ForEachRun(source, begin, count, [&](int64_t column, int64_t end) {
    const float scale = ScaleAt(source, row, column);
    const int zero = ZeroAt(source, row, column);
    for (; column < end; ++column) *out++ = static_cast<float>(codes[column] - zero) * scale;
  });
}

bool IsGrouped(DType dtype) {
  return dtype == DType::kI8 || dtype == DType::kU4 || dtype == DType::kF4E2M1;
}

void WidenGroups(const LinearSource& source, int64_t row, int64_t begin, int64_t count,
                 float* out) {
  if (source.weight.dtype == DType::kF4E2M1) return WidenFloats(source, row, begin, count, out);
  WidenWhole(source, row, begin, count, out);
}

// The same as BF16, some columns at once.
void RoundGroups(const LinearSource& source, int64_t row, int64_t begin, int64_t count, Bf16* out) {
  constexpr int64_t kColumns = 64;
  float values[kColumns];
  for (int64_t done = 0; done < count; done += kColumns) {
    const int64_t columns = std::min(kColumns, count - done);
    WidenGroups(source, row, begin + done, columns, values);
    Convert(values, columns, out + done);
  }
}

template <typename To>
void ConvertRow(const TensorView& weight, int64_t row, int64_t begin, int64_t count, To* out) {
  switch (weight.dtype) {
    case DType::kF32:
      return Convert(weight.row<float>(row) + begin, count, out);
    case DType::kF16:
      return Convert(weight.row<F16>(row) + begin, count, out);
    case DType::kBf16:
      return Convert(weight.row<Bf16>(row) + begin, count, out);
    default:
      return Convert(weight.row<F8E4M3>(row) + begin, count, out);
  }
}

}  // namespace

float ScaleAt(const LinearSource& source, int64_t row, int64_t column) {
  return source.scales.row<float>(
      (row + source.row_offset) /
      source.block_rows)[(column + source.col_offset) / source.block_cols];
}

int ZeroAt(const LinearSource& source, int64_t row, int64_t column) {
  if (source.weight.dtype != DType::kU4) return 0;
  if (source.zeros.empty()) return kMiddleCode;
  return source.zeros.row<int8_t>(
      row + source.row_offset)[(column + source.col_offset) / source.block_cols];
}

void ReadRow(const LinearSource& source, PanelFormat format, int64_t row, int64_t begin,
             int64_t count, void* out) {
  const TensorView& weight = source.weight;
  switch (format) {
    case PanelFormat::kF8:
      memcpy(out, weight.row<uint8_t>(row) + begin, static_cast<size_t>(count));
      return;
    case PanelFormat::kBf16:
      if (IsGrouped(weight.dtype)) {
        return RoundGroups(source, row, begin, count, static_cast<Bf16*>(out));
      }
      if (weight.dtype == DType::kBf16) {
        memcpy(out, weight.row<Bf16>(row) + begin, static_cast<size_t>(count) * sizeof(Bf16));
        return;
      }
      return ConvertRow(weight, row, begin, count, static_cast<Bf16*>(out));
    case PanelFormat::kF32:
      if (IsGrouped(weight.dtype)) {
        return WidenGroups(source, row, begin, count, static_cast<float*>(out));
      }
      if (weight.dtype == DType::kF8E4M3) {
        return Dequantise(source, row, begin, count, static_cast<float*>(out));
      }
      return ConvertRow(weight, row, begin, count, static_cast<float*>(out));
  }
}

}  // namespace switchyard::kernels::cpu
