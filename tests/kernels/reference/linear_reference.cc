#include "tests/kernels/reference/linear_reference.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace switchyard::kernels::reference {
namespace {

constexpr int64_t kGroup = 128;
constexpr int64_t kMiddle = 8;  // zero point of u4 where there is none

bool IsWhole(DType dtype) { return dtype == DType::kI8 || dtype == DType::kU4; }

float Element(const TensorView& tensor, int64_t row, int64_t column) {
  switch (tensor.dtype) {
    case DType::kF32:
      return tensor.row<float>(row)[column];
    case DType::kBf16:
      return ToFloat(tensor.row<Bf16>(row)[column]);
    case DType::kF16:
      return ToFloat(tensor.row<F16>(row)[column]);
    case DType::kF4E2M1:
      return ToFloat(tensor.row<F4E2M1>(row)[column]);
    default:
      return ToFloat(tensor.row<F8E4M3>(row)[column]);
  }
}

float ScaleOf(const LinearSource& source, int64_t n, int64_t k) {
  return source.scales.row<float>((n + source.row_offset) /
                                  source.block_rows)[(k + source.col_offset) / source.block_cols];
}

// Columns of a group of whole numbers and of a part of x, 0 where W is not multiplied so.
struct Groups {
  int64_t group = 0;
  int64_t part = 0;
};
Groups GroupsOf(const LinearSource& source) {
  const bool whole = IsWhole(source.weight.dtype);
  if (source.compute != Compute::kBf16 || source.form == WeightForm::kStored) return {};
  const int64_t shard = source.weight.dims[1] / source.k_shards;
  const int64_t group =
      std::gcd(std::gcd(whole ? source.block_cols : 32, shard), source.col_offset);
  for (int64_t part = 16; part > 0; part -= 4) {
    if (group % part == 0) return {group, part};
  }
  return {};
}

// What a weight of floats becomes: the nearest of the codes that its group's scale allows.
double Quantised(const LinearSource& source, int64_t n, int64_t k, int64_t group) {
  const auto value = [&](int64_t column) {
    const float element = Element(source.weight, n, column);
    return source.scales.empty() ? element : element * ScaleOf(source, n, column);
  };
  float largest = 0;
  for (int64_t i = k / group * group; i < (k / group + 1) * group; ++i) {
    if (std::fabs(value(i)) > std::fabs(largest)) largest = value(i);
  }
  const bool int4 = source.form == WeightForm::kInt4;
  const float scale = ToFloat(ToF16(int4 ? largest / -8 : std::fabs(largest) / 127));
  if (scale == 0) return 0;
  const double code = std::nearbyint(double{value(k) * (1 / scale)});
  return scale * (int4 ? std::clamp(code, -8.0, 7.0) : std::clamp(code, -127.0, 127.0));
}

float WholeValue(const LinearSource& source, int64_t n, int64_t k) {
  int64_t code = source.weight.row<int8_t>(n)[k];
  if (source.weight.dtype == DType::kU4) {
    code -= source.zeros.empty()
                ? kMiddle
                : source.zeros.row<int8_t>(
                      n + source.row_offset)[((k + source.col_offset) / source.block_cols)];
  }
  return static_cast<float>(code) * ScaleOf(source, n, k);
}

// The weight that is multiplied with, as the compute mode rounds it.
double Weight(const LinearSource& source, int64_t n, int64_t k) {
  const Groups groups = GroupsOf(source);
  if (IsWhole(source.weight.dtype)) {
    const float value = WholeValue(source, n, k);
    const bool rounded = groups.part == 0 && source.compute == Compute::kBf16;
    return rounded ? ToFloat(ToBf16(value)) : value;
  }
  if (groups.part != 0) return Quantised(source, n, k, groups.group);
  const float value = Element(source.weight, n, k);
  if (source.weight.dtype == DType::kF4E2M1) return value * ScaleOf(source, n, k);  // exact
  if (source.weight.dtype != DType::kF8E4M3) {
    return source.compute == Compute::kBf16 ? ToFloat(ToBf16(value)) : value;
  }
  const float scale = ScaleOf(source, n, k);
  if (source.compute == Compute::kF32) return value * scale;  // rounded once
  return double{value} * double{scale};
}

double QuantizationScale(float amax, bool ue8m0) {
  const float scale = std::max(amax, 1e-4f) / 448.0f;
  if (!ue8m0) return scale;
  return std::exp2(std::ceil(std::log2(double{scale})));
}

// Whole numbers of 8 bits times the scale of their part.
void QuantiseParts(int64_t part, std::vector<double>& x) {
  for (size_t begin = 0; begin < x.size(); begin += static_cast<size_t>(part)) {
    const std::span<double> values(x.data() + begin, static_cast<size_t>(part));
    float amax = 0;
    for (const double value : values) amax = std::max(amax, std::fabs(static_cast<float>(value)));
    if (amax == 0) continue;
    const float inverse = 127 / amax;
    for (double& value : values) {
      value = std::nearbyint(double{static_cast<float>(value) * inverse}) * double{amax / 127};
    }
  }
}

// One row of activations as the compute mode rounds it.
std::vector<double> RoundRow(const LinearSource& source, const LinearInput& input, int64_t row) {
  const int64_t columns = source.weight.dims[1];
  const std::span<const float> x =
      input.x.subspan(static_cast<size_t>(row * columns), static_cast<size_t>(columns));
  std::vector<double> rounded(x.begin(), x.end());
  if (const int64_t part = GroupsOf(source).part; part != 0) {
    QuantiseParts(part, rounded);
    return rounded;
  }
  if (source.compute == Compute::kBf16) {
    for (double& value : rounded) value = ToFloat(ToBf16(static_cast<float>(value)));
  }
  if (source.compute != Compute::kW8A8 || source.weight.dtype != DType::kF8E4M3) return rounded;
  std::vector<float> amax;
  if (input.amax.empty()) {
    amax = GroupAmax(x, 1, columns, source.col_offset);
  } else {
    const size_t groups = input.amax.size() / static_cast<size_t>(input.rows);
    amax.assign(input.amax.begin() + static_cast<int64_t>(groups) * row,
                input.amax.begin() + static_cast<int64_t>(groups) * (row + 1));
  }
  for (int64_t k = 0; k < columns; ++k) {
    const auto group = static_cast<size_t>((source.col_offset % kGroup + k) / kGroup);
    const double scale = QuantizationScale(amax[group], input.ue8m0);
    const float quotient = x[static_cast<size_t>(k)] / static_cast<float>(scale);
    rounded[static_cast<size_t>(k)] = ToFloat(ToF8E4M3(quotient)) * scale;
  }
  return rounded;
}

}  // namespace

std::vector<float> GroupAmax(std::span<const float> x, int64_t rows, int64_t columns,
                             int64_t col_offset) {
  const int64_t lead = col_offset % kGroup;
  const int64_t groups = (lead + columns + kGroup - 1) / kGroup;
  std::vector<float> amax(static_cast<size_t>(rows * groups), 0.0f);
  for (int64_t i = 0; i < rows * columns; ++i) {
    float& largest =
        amax[static_cast<size_t>(i / columns * groups + (lead + i % columns) / kGroup)];
    largest = std::max(largest, std::fabs(x[static_cast<size_t>(i)]));
  }
  return amax;
}

Sums Linear(const LinearSource& source, const LinearInput& input) {
  const int64_t n_count = source.weight.dims[0], k_count = source.weight.dims[1];
  Sums sums;
  for (int64_t row = 0; row < input.rows; ++row) {
    const std::vector<double> x = RoundRow(source, input, row);
    for (int64_t n = 0; n < n_count; ++n) {
      double value = 0, magnitude = 0;
      for (int64_t k = 0; k < k_count; ++k) {
        const double term = x[static_cast<size_t>(k)] * Weight(source, n, k);
        value += term;
        magnitude += std::fabs(term);
      }
      if (!source.bias.empty()) {
        const double bias = source.bias.row<float>(0)[n];
        value += bias;
        magnitude += std::fabs(bias);
      }
      sums.value.push_back(value);
      sums.magnitude.push_back(magnitude);
    }
  }
  return sums;
}

double Gated(const Gating& gating, double gate, double up) {
  if (gating.function == GateFunction::kSilu) return gate / (1 + std::exp(-gate)) * up;
  if (gating.function == GateFunction::kGeluTanh) {
    const double u = std::sqrt(2 / std::numbers::pi) * (gate + 0.044715 * gate * gate * gate);
    return gate / (1 + std::exp(-2 * u)) * up;  // (1 + tanh(u)) / 2 without its cancellation
  }
  const double limit = gating.limit;
  const double g = std::min(gate, limit), u = std::clamp(up, -limit, limit);
  return g / (1 + std::exp(-1.702 * g)) * (u + 1);
}

Sums GateUp(const LinearSource& gate, const LinearSource& up, const LinearInput& input) {
  const Sums g = Linear(gate, input), u = Linear(up, input);
  Sums sums;
  for (size_t i = 0; i < g.value.size(); ++i) {
    const double value = Gated(gate.gating, g.value[i], u.value[i]);
    sums.value.push_back(value);
    // With up held, the slope in gate is at most 1.13 times the factor at its side; with gate held,
    // the slope in up is what stands at its side. The last term is the error of the function.
    const double one = gate.gating.function == GateFunction::kClampedSwiglu ? 1 : 0;
    const double beside_up = Gated(gate.gating, g.value[i], 1 - one);
    sums.magnitude.push_back(1.13 * g.magnitude[i] * (std::fabs(u.value[i]) + one) +
                             std::fabs(beside_up) * u.magnitude[i] + std::fabs(value));
  }
  return sums;
}

}  // namespace switchyard::kernels::reference
