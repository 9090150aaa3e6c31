#include "emulator/ptx/numerics_step.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace emu {
namespace {

constexpr int kFp32MantissaBits = 23;
constexpr int kFp32MinExponent = -126;
// Fraction bits of a split operand: the most that any format has.
constexpr int kOperandBits = 10;
constexpr int kProductBits = 2 * kOperandBits;
// F of the widest formats. Aligned magnitudes stay below 2^(kMaxFractionBits + 2).
constexpr int kMaxFractionBits = 25;
// Terms are never aligned to less than this, however small all of them are.
constexpr int kMinAlignment = -133;
// Of a zero: the sum of two of them is still far below every real exponent, and no overflow.
constexpr int kZeroExponent = -100'000;
constexpr int kMaxProducts = 64;
constexpr int kMaxColumns = 256;
// So many aligned terms fit into 32 bits: 8 * 2^27 = 2^30.
constexpr int kTermsPerPartial = 8;
constexpr uint32_t kNanBits = 0x7fffffff;

struct Parts {
  int32_t significand;
  int32_t exponent;
};

Parts Split(float value, int mantissa_bits, int min_exponent) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto field = static_cast<int>((bits >> kFp32MantissaBits) & 0xff);
  uint32_t significand = bits & 0x7fffff;
  if (field != 0) significand |= 1u << kFp32MantissaBits;
  int exponent = field == 0 ? kFp32MinExponent : field - 127;
  // Subnormal in its own format: the exponent stays at the smallest, the significand moves.
  int drop = kFp32MantissaBits - mantissa_bits;
  if (exponent < min_exponent) {
    drop += min_exponent - exponent;
    exponent = min_exponent;
  }
  significand = drop < 32 ? significand >> drop : 0;
  if (significand == 0) return {0, kZeroExponent};
  const auto magnitude = static_cast<int32_t>(significand);
  return {(bits >> 31) != 0 ? -magnitude : magnitude, exponent};
}

// sum * 2^scale, cut to result_bits fraction bits (fewer where the result is subnormal in FP32).
float CutToResult(int64_t sum, int scale, int result_bits) {
  if (sum == 0) return 0;
  const auto magnitude = static_cast<uint64_t>(sum < 0 ? -sum : sum);
  const int top = 63 - std::countl_zero(magnitude);
  if (top + scale > 127) {
    const float infinity = std::numeric_limits<float>::infinity();
    return sum < 0 ? -infinity : infinity;
  }
  const int smallest_unit = kFp32MinExponent - kFp32MantissaBits;
  const int drop = std::max({top - result_bits, smallest_unit - scale, 0});
  const uint64_t kept = drop < 64 ? magnitude >> drop << drop : 0;
  const double unit = std::bit_cast<double>(static_cast<uint64_t>(1023 + scale) << 52);
  const double value = static_cast<double>(kept) * unit;
  return static_cast<float>(sum < 0 ? -value : value);
}

bool AllFinite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
}

float CanonicalNan(float value) {
  return std::isnan(value) ? std::bit_cast<float>(kNanBits) : value;
}

// Infinities and NaNs decide alone; finite terms beside them do not matter, and cannot overflow
// into one before the sum is complete.
float SpecialStep(std::span<const float> a, std::span<const float> b, float c) {
  float sum = std::isfinite(c) ? 0 : c;
  for (size_t k = 0; k < a.size(); ++k) {
    if (!std::isfinite(a[k]) || !std::isfinite(b[k])) sum += a[k] * b[k];
  }
  return CanonicalNan(sum);
}

struct RowArgs {
  const StepRules& rules;
  int k;
  const StepOperands& a;
  int n;
  const StepOperands& b;
  float* d;
};

// A magnitude with F fraction bits behind the largest exponent, cut; 32 bits suffice.
inline int32_t Align(int32_t value, int left, int right) {
  const uint32_t magnitude = static_cast<uint32_t>(value < 0 ? -value : value) << left;
  const auto cut = static_cast<int32_t>(magnitude >> std::min(right, 31));
  return value < 0 ? -cut : cut;
}

// Columns are independent: each loop over j is one that compilers turn into vector code.
[[gnu::always_inline]] inline void RowBody(const RowArgs& args) {
  int32_t largest[kMaxColumns];
  int32_t partial[kMaxColumns];
  int64_t sum[kMaxColumns];
  const int n = args.n;
  const int cut = kMaxFractionBits - args.rules.fraction_bits;
  for (int j = 0; j < n; ++j) {
    const Parts c = Split(args.d[j], kFp32MantissaBits, kFp32MinExponent);
    sum[j] = c.significand;
    partial[j] = c.exponent;
    largest[j] = std::max(c.exponent, kMinAlignment);
  }
  for (int k = 0; k < args.k; ++k) {
    const int32_t exponent = args.a.exponents[k];
    const int32_t* b = args.b.exponents + k * n;
    for (int j = 0; j < n; ++j) largest[j] = std::max(largest[j], exponent + b[j]);
  }
  for (int j = 0; j < n; ++j) {
    sum[j] = Align(static_cast<int32_t>(sum[j]), kMaxFractionBits - kFp32MantissaBits,
                   largest[j] - partial[j] + cut);
  }
  for (int first = 0; first < args.k; first += kTermsPerPartial) {
    for (int j = 0; j < n; ++j) partial[j] = 0;
    for (int k = first; k < std::min(first + kTermsPerPartial, args.k); ++k) {
      const int32_t significand = args.a.significands[k];
      const int32_t exponent = args.a.exponents[k];
      const int32_t* b_significands = args.b.significands + k * n;
      const int32_t* b_exponents = args.b.exponents + k * n;
      for (int j = 0; j < n; ++j) {
        partial[j] += Align(significand * b_significands[j], kMaxFractionBits - kProductBits,
                            largest[j] - (exponent + b_exponents[j]) + cut);
      }
    }
    for (int j = 0; j < n; ++j) sum[j] += partial[j];
  }
  for (int j = 0; j < n; ++j) {
    args.d[j] = CutToResult(sum[j], largest[j] - args.rules.fraction_bits, args.rules.result_bits);
  }
}

[[gnu::optimize("O3")]] void RowPortable(const RowArgs& args) { RowBody(args); }

#if defined(__x86_64__)
[[gnu::target("avx2"), gnu::optimize("O3")]] void RowAvx2(const RowArgs& args) { RowBody(args); }
[[gnu::target("avx512f,avx512dq,avx512vl"), gnu::optimize("O3")]] void RowAvx512(
    const RowArgs& args) {
  RowBody(args);
}
#endif

using RowFunction = void (*)(const RowArgs&);

RowFunction ChooseRow() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) return RowAvx512;
  if (__builtin_cpu_supports("avx2")) return RowAvx2;
#endif
  return RowPortable;
}

}  // namespace

StepRules StepRulesOf(Format a, Format b) {
  const int a_min = TraitsOf(a).min_exponent;
  const int b_min = TraitsOf(b).min_exponent;
  switch (a) {
    case Format::kE4m3:
    case Format::kE5m2:
      return {32, 13, 13, a_min, b_min};
    case Format::kF16:
    case Format::kBf16:
      return {16, kMaxFractionBits, kFp32MantissaBits, a_min, b_min};
    case Format::kTf32:
      return {8, kMaxFractionBits, kFp32MantissaBits, a_min, b_min};
  }
  return {};
}

void SplitOperands(int min_exponent, const float* values, int count, int32_t* significands,
                   int32_t* exponents) {
  for (int i = 0; i < count; ++i) {
    const Parts parts = Split(values[i], kOperandBits, min_exponent);
    significands[i] = parts.significand;
    exponents[i] = parts.exponent;
  }
}

float TensorStep(const StepRules& rules, std::span<const float> a, std::span<const float> b,
                 float c) {
  if (!AllFinite(a) || !AllFinite(b) || !std::isfinite(c)) return SpecialStep(a, b, c);
  int32_t parts[4][kMaxProducts];
  const auto k = static_cast<int>(a.size());
  SplitOperands(rules.a_min_exponent, a.data(), k, parts[0], parts[1]);
  SplitOperands(rules.b_min_exponent, b.data(), k, parts[2], parts[3]);
  const StepOperands x{parts[0], parts[1]};
  const StepOperands y{parts[2], parts[3]};
  float d = c;
  RowBody({rules, k, x, 1, y, &d});
  return d;
}

void TensorStepRow(const StepRules& rules, int k, const StepOperands& a, int n,
                   const StepOperands& b, float* d) {
  static const RowFunction function = ChooseRow();
  if (AllFinite({d, static_cast<size_t>(n)})) return function({rules, k, a, n, b, d});
  // An accumulator that has become infinite or NaN stays so, since every product is finite.
  float kept[kMaxColumns];
  std::copy(d, d + n, kept);
  for (int j = 0; j < n; ++j) d[j] = std::isfinite(kept[j]) ? kept[j] : 0;
  function({rules, k, a, n, b, d});
  for (int j = 0; j < n; ++j) {
    if (!std::isfinite(kept[j])) d[j] = CanonicalNan(kept[j]);
  }
}

}  // namespace emu
