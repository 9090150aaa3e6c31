// The tensor core's step against its published rules, written a second time in the most obvious
// way.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "emulator/ptx/numerics_mac.h"
#include "emulator/ptx/numerics_step.h"
#include "tests/emulator/ptx/tensor_fixture.h"

namespace emu {
namespace {

using Big = __int128;

struct Term {
  double value;  // exact: two significands of at most 24 bits, exponents far inside double's range
  int exponent;
};

int ExponentOf(float value, int min_exponent) { return std::max(std::ilogb(value), min_exponent); }

// The rules: align, cut each term, add exactly, cut the sum.
float Reference(const StepRules& rules, const std::vector<float>& a, const std::vector<float>& b,
                float c) {
  std::vector<Term> terms;
  for (size_t k = 0; k < a.size(); ++k) {
    if (a[k] == 0 || b[k] == 0) continue;
    terms.push_back({static_cast<double>(a[k]) * b[k], ExponentOf(a[k], rules.a_min_exponent) +
                                                           ExponentOf(b[k], rules.b_min_exponent)});
  }
  if (c != 0) terms.push_back({c, ExponentOf(c, -126)});
  int largest = -133;
  for (const Term& term : terms) largest = std::max(largest, term.exponent);
  const int unit = largest - rules.fraction_bits;
  Big sum = 0;
  for (const Term& term : terms) sum += static_cast<Big>(std::trunc(std::ldexp(term.value, -unit)));
  if (sum == 0) return 0;
  Big magnitude = sum < 0 ? -sum : sum;
  int bits = 0;
  while (magnitude >> bits != 0) ++bits;
  const int exponent = unit + bits - 1;
  if (exponent > 127)
    return std::copysign(std::numeric_limits<float>::infinity(), sum < 0 ? -1 : 1);
  const int last_bit = std::max(exponent - rules.result_bits, -149);
  for (int i = 0; i < bits && unit + i < last_bit; ++i) magnitude &= ~(Big{1} << i);
  const double value = std::ldexp(static_cast<double>(magnitude), unit);
  return static_cast<float>(sum < 0 ? -value : value);
}

struct Operands {
  std::vector<float> a, b;
  float c;
};

// Exponents in a window that is narrow, wide or everything; now and then zeros and cancellation.
Operands RandomOperands(Format format, int k, int round, std::mt19937& random) {
  Operands o;
  const int window = round % 3 == 0 ? 2 : round % 3 == 1 ? 20 : 300;
  const auto draw = [&] {
    while (true) {
      const float value = DecodeOne(format, RandomBits(format, random));
      if (value == 0 || std::abs(std::ilogb(value)) <= window) return value;
    }
  };
  for (int i = 0; i < k; ++i) {
    o.a.push_back(random() % 10 == 0 ? 0.0F : draw());
    o.b.push_back(draw());
    if (i > 0 && random() % 6 == 0) {
      o.a[i] = -o.a[i - 1];
      o.b[i] = o.b[i - 1];
    }
  }
  o.c = random() % 4 == 0 ? 0.0F
                          : std::ldexp(static_cast<float>(random() % 20001) - 10000.0F,
                                       static_cast<int>(random() % 20) - 20);
  return o;
}

TEST(TensorNumerics, AStepFollowsTheRulesBitForBit) {
  std::mt19937 random(1);
  for (const Format format : kAllFormats) {
    const StepRules rules = StepRulesOf(format, format);
    for (int round = 0; round < 6000; ++round) {
      const Operands o = RandomOperands(format, rules.group, round, random);
      const float want = Reference(rules, o.a, o.b, o.c);
      const float got = TensorStep(rules, o.a, o.b, o.c);
      ASSERT_EQ(std::bit_cast<uint32_t>(got), std::bit_cast<uint32_t>(want))
          << NameOf(format) << " round " << round << ": " << got << " for " << want;
    }
  }
}

TEST(TensorNumerics, MixedByteFormatsKeepTheirOwnSmallestExponents) {
  std::mt19937 random(2);
  const StepRules rules = StepRulesOf(Format::kE5m2, Format::kE4m3);
  for (int round = 0; round < 3000; ++round) {
    Operands o = RandomOperands(Format::kE5m2, rules.group, round, random);
    o.b = RandomOperands(Format::kE4m3, rules.group, round, random).b;
    ASSERT_EQ(TensorStep(rules, o.a, o.b, o.c), Reference(rules, o.a, o.b, o.c)) << round;
  }
}

TEST(TensorNumerics, ByteResultsHave13FractionBits) {
  std::mt19937 random(3);
  const StepRules rules = StepRulesOf(Format::kE4m3, Format::kE4m3);
  for (int round = 0; round < 1000; ++round) {
    const Operands o = RandomOperands(Format::kE4m3, 32, round, random);
    EXPECT_EQ(std::bit_cast<uint32_t>(TensorStep(rules, o.a, o.b, o.c)) & 0x3ff, 0u);
  }
}

TEST(TensorNumerics, AByteTermMoreThan13BitsBelowTheLargestIsLost) {
  const StepRules rules = StepRulesOf(Format::kE4m3, Format::kE4m3);
  // 128 * 64 = 2^13: the unit is 1.
  EXPECT_EQ(TensorStep(rules, std::vector<float>{128, 1}, std::vector<float>{64, 1}, 0), 8193);
  EXPECT_EQ(TensorStep(rules, std::vector<float>{128, 1}, std::vector<float>{64, 0.5F}, 0), 8192);
  // Each half is cut before the sum: two of them are lost as well.
  EXPECT_EQ(TensorStep(rules, std::vector<float>{128, 1, 1}, std::vector<float>{64, 0.5F, 0.5F}, 0),
            8192);
  // The accumulator is a term like any other.
  EXPECT_EQ(TensorStep(rules, std::vector<float>{128}, std::vector<float>{64}, 0.99F), 8192);
}

TEST(TensorNumerics, HalvesKeepTwoBitsBelowFp32WhileTheyAdd) {
  const StepRules rules = StepRulesOf(Format::kBf16, Format::kBf16);
  const std::vector<float> quarter(4, 0.25F);
  const std::vector<float> one(4, 1.0F);
  // FP32 arithmetic, term by term, would stay at 2^23.
  EXPECT_EQ(TensorStep(rules, quarter, one, 8388608.0F), 8388609.0F);
  const std::vector<float> eighth(8, 0.125F);
  const std::vector<float> ones(8, 1.0F);
  EXPECT_EQ(TensorStep(rules, eighth, ones, 8388608.0F), 8388608.0F);
  // Cut, not rounded: three quarters of a unit in the last place go.
  const std::vector<float> three = {0.75F};
  EXPECT_EQ(TensorStep(rules, three, std::vector<float>{1}, 8388608.0F), 8388608.0F);
  EXPECT_EQ(TensorStep(rules, three, std::vector<float>{-1}, -8388608.0F), -8388608.0F);
}

TEST(TensorNumerics, ProductsAreNotRenormalisedBeforeAlignment) {
  const StepRules rules = StepRulesOf(Format::kE4m3, Format::kE4m3);
  // 1.875^2 = 3.5 and a bit has the exponent 0, so 2^-13 still counts beside it.
  const std::vector<float> a = {1.875F, std::ldexp(1.0F, -6)};
  const std::vector<float> b = {1.875F, std::ldexp(1.0F, -7)};
  const float sum = 1.875F * 1.875F + std::ldexp(1.0F, -13);
  // The term is in the sum, but the result has one more bit in front and loses its last one.
  EXPECT_EQ(TensorStep(rules, a, b, 0), 1.875F * 1.875F);
  EXPECT_EQ(TensorStep(rules, a, b, -1.75F), sum - 1.75F);
}

TEST(TensorNumerics, SmallTermsAlignToTwoToTheMinus133) {
  const StepRules rules = StepRulesOf(Format::kBf16, Format::kBf16);
  const auto two_to = [](int exponent) { return std::ldexp(1.0F, exponent); };
  // The unit is then 2^-158, so the smallest FP32 numbers are still there...
  EXPECT_EQ(TensorStep(rules, std::vector<float>{two_to(-74)}, std::vector<float>{two_to(-74)}, 0),
            two_to(-148));
  // ...but bits below it are cut: 255 * 255 + 7 * 73 is 2^16, and exactly would give 2^-149.
  const std::vector<float> a = {255 * two_to(-82), 7 * two_to(-82)};
  const std::vector<float> b = {255 * two_to(-83), 73 * two_to(-83)};
  EXPECT_EQ(TensorStep(rules, a, b, 0), 0.0F);
  // Beside a larger accumulator nothing of this can be seen.
  EXPECT_EQ(TensorStep(rules, a, b, two_to(-100)), two_to(-100));
}

TEST(TensorNumerics, InfinitiesAndNansDecideAlone) {
  const float infinity = std::numeric_limits<float>::infinity();
  const StepRules rules = StepRulesOf(Format::kBf16, Format::kBf16);
  const std::vector<float> x = {1, infinity};
  EXPECT_EQ(TensorStep(rules, x, std::vector<float>{1, 2}, 0), infinity);
  EXPECT_EQ(TensorStep(rules, x, std::vector<float>{1, -2}, 0), -infinity);
  const float nan = TensorStep(rules, x, std::vector<float>{1, 0}, 0);
  EXPECT_EQ(std::bit_cast<uint32_t>(nan), 0x7fffffffu);
  EXPECT_TRUE(std::isnan(TensorStep(rules, x, std::vector<float>{1, 2}, -infinity)));
  const std::vector<float> large = {std::ldexp(1.0F, 100)};
  EXPECT_EQ(TensorStep(rules, large, large, 0), infinity);
}

// --- the same, for a warp ---

struct Tile {
  int k, n;
  std::vector<float> a, b;  // packed
  std::vector<std::vector<float>> d;
  std::vector<float*> registers;
};

Tile RandomTile(Format format, int k, int n, std::mt19937& random) {
  Tile tile{k, n, {}, {}, {}, {}};
  const auto draw = [&] {
    while (true) {
      const float v = DecodeOne(format, RandomBits(format, random));
      if (std::fabs(v) < 1e6F) return v;
    }
  };
  tile.a.resize(static_cast<size_t>(k) * 64);
  for (size_t i = 0; i < tile.a.size(); i += 4) {
    tile.a[i] = tile.a[i + 1] = tile.a[i + 2] = tile.a[i + 3] = draw();
  }
  tile.b.resize(static_cast<size_t>(k) * n);
  for (float& v : tile.b) v = draw();
  tile.d.assign(n / 2, std::vector<float>(32));
  for (auto& reg : tile.d) {
    for (float& v : reg) v = static_cast<float>(random() % 2001) - 1000.0F;
  }
  return tile;
}

WarpMac MacOf(Tile& tile) {
  tile.registers.clear();
  for (auto& reg : tile.d) tile.registers.push_back(reg.data());
  return {tile.k, tile.n, tile.a.data(), tile.b.data(), tile.registers.data()};
}

// D[row][column] of a tile, by the layout's definition.
float& At(Tile& tile, int row, int column) {
  return tile.d[column / 8 * 4 + row / 8 * 2 + column % 2][row % 8 * 4 + column % 8 / 2];
}
float AAt(const Tile& tile, int row, int k) { return tile.a[(k * 2 + row / 8) * 32 + row % 8 * 4]; }
float BAt(const Tile& tile, int k, int column) {
  return tile.b[k * tile.n + column / 8 * 8 + column % 2 * 4 + column % 8 / 2];
}

TEST(TensorNumerics, FastIsFp32InTheOrderOfKInEveryVariant) {
  std::mt19937 random(4);
  for (const int n : {8, 16, 24, 72, 256}) {
    for (const int k : {4, 8, 16, 32}) {
      const Tile start = RandomTile(Format::kF16, k, n, random);
      for (const MacFunction variant : MacFastVariants()) {
        Tile got = start;
        variant(MacOf(got));
        Tile want = start;
        for (int row = 0; row < 16; ++row) {
          for (int column = 0; column < n; ++column) {
            for (int i = 0; i < k; ++i) {
              At(want, row, column) += AAt(start, row, i) * BAt(start, i, column);
            }
          }
        }
        ASSERT_EQ(got.d, want.d) << "n " << n << ", k " << k;
      }
    }
  }
}

TEST(TensorNumerics, H100IsTheStepForEachElement) {
  std::mt19937 random(5);
  for (const Format format : kAllFormats) {
    const StepRules rules = StepRulesOf(format, format);
    const int k = rules.group;
    for (const int n : {8, 24, 64}) {
      Tile got = RandomTile(format, k, n, random);
      Tile want = got;
      MacH100(rules, MacOf(got));
      for (int row = 0; row < 16; ++row) {
        for (int column = 0; column < n; ++column) {
          std::vector<float> a, b;
          for (int i = 0; i < k; ++i) {
            a.push_back(AAt(want, row, i));
            b.push_back(BAt(want, i, column));
          }
          At(want, row, column) = Reference(rules, a, b, At(want, row, column));
        }
      }
      ASSERT_EQ(got.d, want.d) << NameOf(format) << ", n " << n;
    }
  }
}

TEST(TensorNumerics, H100TakesLongProductsInGroups) {
  std::mt19937 random(6);
  const StepRules rules = StepRulesOf(Format::kF16, Format::kF16);
  Tile both = RandomTile(Format::kF16, 32, 8, random);
  Tile halves = both;
  MacH100(rules, MacOf(both));
  Tile second = halves;
  halves.k = second.k = 16;
  second.a.erase(second.a.begin(), second.a.begin() + 16 * 64);
  second.b.erase(second.b.begin(), second.b.begin() + 16 * 8);
  MacH100(rules, MacOf(halves));
  second.d = halves.d;
  MacH100(rules, MacOf(second));
  EXPECT_EQ(both.d, second.d);
}

TEST(TensorNumerics, H100CarriesInfinitiesAndNansToTheirElementsOnly) {
  std::mt19937 random(7);
  const StepRules rules = StepRulesOf(Format::kBf16, Format::kBf16);
  Tile tile = RandomTile(Format::kBf16, 16, 8, random);
  const Tile start = tile;
  At(tile, 3, 5) = std::numeric_limits<float>::infinity();
  At(tile, 4, 6) = std::numeric_limits<float>::quiet_NaN();
  Tile clean = start;
  MacH100(rules, MacOf(tile));
  MacH100(rules, MacOf(clean));
  EXPECT_TRUE(std::isinf(At(tile, 3, 5)));
  EXPECT_TRUE(std::isnan(At(tile, 4, 6)));
  At(tile, 3, 5) = At(clean, 3, 5);
  At(tile, 4, 6) = At(clean, 4, 6);
  EXPECT_EQ(tile.d, clean.d);
  Tile special = start;
  special.b[0] = std::numeric_limits<float>::infinity();  // B[0][0]
  MacH100(rules, MacOf(special));
  for (int row = 0; row < 16; ++row) {
    EXPECT_FALSE(std::isfinite(At(special, row, 0)) && AAt(special, row, 0) != 0);
    EXPECT_EQ(At(special, row, 1), At(clean, row, 1));
  }
}

}  // namespace
}  // namespace emu
