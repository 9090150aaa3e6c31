#include "worker/weights/int4_matrix.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <string_view>

#include "base/check.h"
#include "base/units.h"

namespace switchyard::worker {
namespace {

using kernels::DType;

constexpr std::string_view kWeightSuffix = "weight";
constexpr uint32_t kCodeMask = 15;
constexpr float kLargestF16 = 65504.0f;  // backends keep scales so

// Where in a word of AWQ the column of that place among eight lies: nibbles hold columns
// 0, 2, 4, 6, 1, 3, 5, 7.
int AwqShift(int64_t column) {
  const auto place = static_cast<int>(column % kCodesPerWord);
  return 4 * (place / 2 + place % 2 * 4);
}
int PlainShift(int64_t column) { return 4 * static_cast<int>(column % kCodesPerWord); }

uint8_t CodeAt(uint32_t word, int shift) { return static_cast<uint8_t>(word >> shift & kCodeMask); }

// Words [rows, words of a row] of which each holds eight neighbouring outputs n of one row:
// to[n - row_begin, row] = the codes. `Shift` places an output in its word.
template <typename Shift, typename To>
void UnpackOutputs(const Int4Slice& slice, std::span<const uint32_t> words, int64_t rows,
                   const Shift& shift, To* to) {
  const int64_t row_words = std::ssize(words) / rows;
  const int64_t first_word = slice.row_begin() / kCodesPerWord;
  for (int64_t i = 0; i < slice.num_rows(); ++i, to += rows) {
    const int64_t n = slice.row_begin() + i;
    const uint32_t* from = words.data() + n / kCodesPerWord - first_word;
    const int bits = shift(n);
    for (int64_t row = 0; row < rows; ++row, from += row_words)
      to[row] = static_cast<To>(CodeAt(*from, bits));
  }
}

// Words [K / 8, N] of which each holds eight neighbouring inputs k of one output.
void UnpackInputs(const Int4Slice& slice, std::span<const uint32_t> words, std::byte* to) {
  const int64_t first_word = slice.col_begin() / kCodesPerWord;
  for (int64_t n = 0; n < slice.num_rows(); ++n, to += slice.num_cols()) {
    for (int64_t i = 0; i < slice.num_cols(); ++i) {
      const int64_t k = slice.col_begin() + i;
      const int64_t word = (k / kCodesPerWord - first_word) * slice.num_rows() + n;
      to[i] = static_cast<std::byte>(CodeAt(words[static_cast<size_t>(word)], PlainShift(k)));
    }
  }
}

std::span<const uint32_t> Words(const HostRange& range, const RangeData& data,
                                std::vector<std::byte>& moved) {
  const std::byte* const raw = Contiguous(range, data(range.index), moved);
  return {reinterpret_cast<const uint32_t*>(raw),
          static_cast<size_t>(range.wanted.num_rows() * range.wanted.num_cols())};
}

float ScaleAt(const std::byte* raw, DType dtype, int64_t i) {
  if (dtype == DType::kF32) return reinterpret_cast<const float*>(raw)[i];
  if (dtype == DType::kBf16) return ToFloat(reinterpret_cast<const kernels::Bf16*>(raw)[i]);
  return ToFloat(reinterpret_cast<const kernels::F16*>(raw)[i]);
}

absl::Status CheckGroups(const Int4Slice& slice, std::string_view tensor,
                         std::span<const uint32_t> groups) {
  for (int64_t i = 0; i < slice.num_cols(); ++i) {
    const int64_t want = (slice.col_begin() + i) / slice.group_columns();
    const int64_t got = groups[static_cast<size_t>(i)];
    if (got == want) continue;
    return absl::UnimplementedError(fmt::format(
        "tensor {}: column {} is in group {}, not in {}: columns in the order of their activations "
        "(desc_act) are not read; quantise with desc_act = false",
        tensor, slice.col_begin() + i, got, want));
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<Int4Format> Int4FormatOf(const v1::ModelSpec& model) {
  if (!model.has_groups()) return std::nullopt;
  const bool awq = model.groups().layout() == v1::GroupQuantization::LAYOUT_AWQ;
  return Int4Format{.layout = awq ? Int4Layout::kAwq : Int4Layout::kGptq,
                    .group_columns = model.groups().columns(),
                    .zeros_less_one = model.groups().zeros_less_one()};
}

Int4Slice::Int4Slice(const Int4Format& format, const MatrixSlice& slice)
    : format_(format),
      rows_(slice.rows),
      cols_(slice.cols),
      row_begin_(slice.row_begin),
      num_rows_(slice.num_rows()),
      col_begin_(slice.col_begin),
      num_cols_(slice.num_cols()),
      group_columns_(format.group_columns == 0 ? slice.cols : format.group_columns) {}

std::string Int4Slice::Name(const std::string& tensor, const char* suffix) {
  SY_CHECK(tensor.ends_with(kWeightSuffix)) << tensor;
  return tensor.substr(0, tensor.size() - kWeightSuffix.size()) + suffix;
}

int64_t Int4Slice::all_groups() const { return CeilDiv(cols_, group_columns_); }
int64_t Int4Slice::num_groups() const {
  return CeilDiv(col_begin_ + num_cols_, group_columns_) - first_group();
}

Int4Slice::Part Int4Slice::Codes() const {
  const int64_t row_end = row_begin_ + num_rows_, col_end = col_begin_ + num_cols_;
  if (format_.layout == Int4Layout::kAwq) {
    return {.shape = {cols_, rows_ / kCodesPerWord},
            .range = {.row_begin = col_begin_,
                      .row_end = col_end,
                      .col_begin = row_begin_ / kCodesPerWord,
                      .col_end = CeilDiv(row_end, kCodesPerWord)}};
  }
  return {.shape = {cols_ / kCodesPerWord, rows_},
          .range = {.row_begin = col_begin_ / kCodesPerWord,
                    .row_end = CeilDiv(col_end, kCodesPerWord),
                    .col_begin = row_begin_,
                    .col_end = row_end}};
}

Int4Slice::Part Int4Slice::Zeros() const {
  return {.shape = {all_groups(), rows_ / kCodesPerWord},
          .range = {.row_begin = first_group(),
                    .row_end = first_group() + num_groups(),
                    .col_begin = row_begin_ / kCodesPerWord,
                    .col_end = CeilDiv(row_begin_ + num_rows_, kCodesPerWord)}};
}

Int4Slice::Part Int4Slice::Scales() const {
  return {.shape = {all_groups(), rows_},
          .range = {.row_begin = first_group(),
                    .row_end = first_group() + num_groups(),
                    .col_begin = row_begin_,
                    .col_end = row_begin_ + num_rows_}};
}

Int4Slice::Part Int4Slice::Groups() const {
  return {
      .shape = {cols_},
      .range = {.row_begin = col_begin_, .row_end = col_begin_ + num_cols_, .col_end = 1},
  };
}

absl::StatusOr<Int4Values> Int4Matrix::Decode(const RangeData& data) const {
  std::vector<std::byte> moved;
  if (groups.has_value()) {
    SY_RETURN_IF_ERROR(
        CheckGroups(slice, groups->wanted.tensor->name, Words(*groups, data, moved)));
  }
  const bool awq = slice.format().layout == Int4Layout::kAwq;
  const int64_t rows = slice.num_rows(), num_groups = slice.num_groups();
  Int4Values values;
  values.codes.resize(static_cast<size_t>(rows * slice.num_cols()));
  const std::span<const uint32_t> words = Words(codes, data, moved);
  if (awq) {
    UnpackOutputs(slice, words, slice.num_cols(), AwqShift, values.codes.data());
  } else {
    UnpackInputs(slice, words, values.codes.data());
  }

  values.zeros.resize(static_cast<size_t>(rows * num_groups));
  const auto shift = awq ? AwqShift : PlainShift;
  UnpackOutputs(slice, Words(zeros, data, moved), num_groups, shift, values.zeros.data());
  if (slice.format().zeros_less_one) {
    for (int8_t& zero : values.zeros) ++zero;
  }

  values.scales.resize(values.zeros.size());
  const std::byte* const raw = Contiguous(scales, data(scales.index), moved);
  for (int64_t n = 0; n < rows; ++n) {
    for (int64_t g = 0; g < num_groups; ++g) {
      const float scale = ScaleAt(raw, scale_dtype, g * rows + n);
      if (!(std::fabs(scale) <= kLargestF16)) {
        return absl::InvalidArgumentError(fmt::format(
            "tensor {}: the scale of row {} and group {} is {}", scales.wanted.tensor->name,
            slice.row_begin() + n, slice.first_group() + g, scale));
      }
      values.scales[static_cast<size_t>(n * num_groups + g)] = scale;
    }
  }
  return values;
}

void WidenInt4(const Int4Slice& slice, const Int4Values& values, float* out) {
  const std::byte* code = values.codes.data();
  for (int64_t n = 0; n < slice.num_rows(); ++n) {
    for (int64_t i = 0; i < slice.num_cols();) {
      const int64_t g = (slice.col_begin() + i) / slice.group_columns();
      const int64_t end =
          std::min(slice.num_cols(), (g + 1) * slice.group_columns() - slice.col_begin());
      const auto at = static_cast<size_t>(n * slice.num_groups() + g - slice.first_group());
      const int zero = values.zeros[at];
      const float scale = values.scales[at];
      for (; i < end; ++i) *out++ = static_cast<float>(static_cast<int>(*code++) - zero) * scale;
    }
  }
}

}  // namespace switchyard::worker
