#include "kernels/cpu/int_pack.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

#include "kernels/cpu/panel_matrix.h"
#include "kernels/cpu/source_rows.h"

namespace switchyard::kernels::cpu {
namespace {

constexpr int64_t kQuantisedGroup = 32;  // of weights that are quantised here
constexpr int kHalfPanel = kPanelRows / 2;

bool IsWhole(DType dtype) { return dtype == DType::kI8 || dtype == DType::kU4; }

// One group of one row.
struct Codes {
  F16 scale{};
  uint8_t zero = 0;
  int8_t* codes = nullptr;  // group columns
};

// scale = the largest / 127 (8 bits), or / -8 (4 bits, whose range reaches one further down), as
// F16; codes by the scale as it is kept. A NaN makes the scale NaN.
void Quantise(const float* w, int64_t count, IntFormat format, Codes* to) {
  const bool u4 = format == IntFormat::kU4;
  float largest = 0;
  for (int64_t i = 0; i < count; ++i) {
    if (std::isnan(w[i]) || std::fabs(w[i]) > std::fabs(largest)) largest = w[i];
    if (std::isnan(largest)) break;
  }
  to->scale = ToF16(u4 ? largest / -kMiddleCode : std::fabs(largest) / 127);
  const float scale = ToFloat(to->scale);
  const float inverse = scale != 0 && std::isfinite(scale) ? 1 / scale : 0;
  const int least = u4 ? -kMiddleCode : -127, most = u4 ? kMiddleCode - 1 : 127;
  for (int64_t i = 0; i < count; ++i) {
    const float quotient = inverse == 0 ? 0 : std::nearbyint(w[i] * inverse);
    const int code = std::clamp(static_cast<int>(quotient), least, most);
    to->codes[i] = static_cast<int8_t>(u4 ? code + kMiddleCode : code);
  }
}

// Columns [begin, begin + count) of a row: a group of the layout.
void ReadGroup(const LinearSource& source, const IntLayout& ints, int64_t row, int64_t begin,
               std::vector<float>& scratch, Codes* to) {
  const int64_t count = ints.group_columns;
  if (IsWhole(source.weight.dtype)) {
    to->scale = ToF16(ScaleAt(source, row, begin));
    to->zero = static_cast<uint8_t>(ZeroAt(source, row, begin));
    memcpy(to->codes, source.weight.row<int8_t>(row) + begin, static_cast<size_t>(count));
    return;
  }
  scratch.resize(static_cast<size_t>(count));
  ReadRow(source, PanelFormat::kF32, row, begin, count, scratch.data());
  Quantise(scratch.data(), count, ints.format, to);
}

// The steps of one row, `stride` bytes apart.
void WriteSteps(const IntLayout& ints, int lane, const int8_t* codes, int64_t stride,
                std::byte* to) {
  const int64_t steps = ints.group_columns / kStepColumns;
  if (ints.format == IntFormat::kI8) {
    to += lane * kStepColumns;
    for (int64_t i = 0; i < steps; ++i, codes += kStepColumns, to += stride) {
      memcpy(to, codes, kStepColumns);
    }
    return;
  }
  const int shift = lane < kHalfPanel ? 0 : 4;
  to += lane % kHalfPanel * kStepColumns;
  for (int64_t i = 0; i < steps; ++i, codes += kStepColumns, to += stride) {
    for (int column = 0; column < kStepColumns; ++column) {
      to[column] |= static_cast<std::byte>(codes[column] << shift);
    }
  }
}

}  // namespace

std::optional<IntLayout> ChooseInts(const LinearSource& source) {
  const DType dtype = source.weight.dtype;
  if (source.compute != Compute::kBf16) return std::nullopt;
  if (source.form == WeightForm::kStored) return std::nullopt;
  const int64_t shard = source.weight.dims[1] / source.k_shards;
  const int64_t group = IsWhole(dtype) ? source.block_cols : kQuantisedGroup;
  const bool four_bits = source.form == WeightForm::kInt4;
  IntLayout ints{.format = four_bits ? IntFormat::kU4 : IntFormat::kI8,
                 .zeros = source.zeros.rank > 0,  // a form has no data
                 .group_columns = std::gcd(std::gcd(group, shard), source.col_offset)};
  constexpr int64_t kMost = kMaxPartWords * kStepColumns;
  for (int64_t columns = kMost; columns > 0; columns -= kStepColumns) {
    if (ints.group_columns % columns != 0) continue;
    ints.part_columns = columns;
    return ints;
  }
  return std::nullopt;
}

void PackIntPanel(const PanelLayout& layout, const LinearSource& source, int64_t first_row,
                  const PanelPlace& place) {
  const IntLayout& ints = *layout.ints;
  const auto rows =
      static_cast<int>(std::min<int64_t>(kPanelRows, source.weight.rows() - first_row));
  const int64_t stride = ints.step_bytes() * place.panels;
  std::vector<int8_t> codes(static_cast<size_t>(ints.group_columns));
  std::vector<float> scratch;
  Codes group{.codes = codes.data()};
  for (const Segment& segment : layout.segments) {
    std::byte* data = place.group + segment.byte_begin * place.panels;
    for (int64_t begin = 0; begin < segment.columns; begin += ints.group_columns) {
      std::byte* const scales = data + place.panel * ints.scale_bytes();
      std::byte* const zeros =
          data + ints.scale_bytes() * place.panels + place.panel * ints.zero_bytes();
      std::byte* const steps = data + (ints.scale_bytes() + ints.zero_bytes()) * place.panels +
                               place.panel * ints.step_bytes();
      for (int lane = 0; lane < rows; ++lane) {
        ReadGroup(source, ints, first_row + lane, segment.column_begin + begin, scratch, &group);
        memcpy(scales + lane * 2, &group.scale, sizeof(group.scale));
        if (ints.zeros) zeros[lane] = static_cast<std::byte>(group.zero);
        WriteSteps(ints, lane, group.codes, stride, steps);
      }
      data += ints.group_bytes() * place.panels;
    }
  }
}

}  // namespace switchyard::kernels::cpu
