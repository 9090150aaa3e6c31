// A linear layer is right in every arithmetic, at every size, on every instruction set of this
// machine.
#include "kernels/cpu/linear.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/cases/linear.h"
#include "tests/kernels/linear_fixture.h"
#include "tests/kernels/reference/linear_reference.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using cpu::Isa;
using switchyard::testing::Close;
using switchyard::testing::SameBits;

class LinearTest : public ::testing::TestWithParam<std::tuple<Isa, Mode>> {
 protected:
  LinearTest() : cpu_(std::get<0>(GetParam())) {}

  DType dtype() const { return std::get<1>(GetParam()).weight; }
  Compute compute() const { return std::get<1>(GetParam()).compute; }
  WeightForm form() const { return std::get<1>(GetParam()).form; }

  ::testing::AssertionResult Agrees(const LinearSource& source, const std::vector<float>& x) {
    const auto weight = cpu_.Pack(source);
    const std::vector<float> got = cpu_.Linear(*weight, x);
    const reference::Sums want =
        reference::Linear(source, {.x = x, .rows = static_cast<int64_t>(x.size()) / weight->k()});
    return Close({.got = got,
                  .want = want.value,
                  .magnitude = want.magnitude,
                  .columns = weight->n(),
                  .num_terms = weight->k()});
  }

  TestCpu cpu_;
};

TEST_P(LinearTest, AgreesWithDoublePrecisionAtOddShapes) {
  for (const cases::LinearCase& shape : cases::kOdd) {
    const TestWeight weight(dtype(), shape.n, shape.k, 1, form());
    for (const int64_t rows : {1, 2, 7, 13, 33}) {
      EXPECT_TRUE(Agrees(weight.Whole(compute()), RandomRows(rows * shape.k, 2)))
          << shape.name << ", " << rows << " rows";
    }
  }
}

TEST_P(LinearTest, AgreesOnSlicesThatScaleBlocksDoNotAlignWith) {
  const TestWeight weight(dtype(), 300, 512, 3, form());
  for (const auto& [row, rows] : {std::pair{0, 300}, {100, 57}, {130, 17}, {299, 1}}) {
    for (const auto& [col, cols] : {std::pair{0, 512}, {96, 224}, {160, 160}, {500, 12}}) {
      const LinearSource source = weight.Slice(compute(), row, rows, col, cols);
      EXPECT_TRUE(Agrees(source, RandomRows(3 * cols, 4)))
          << row << ' ' << rows << ' ' << col << ' ' << cols;
    }
  }
}

TEST_P(LinearTest, AgreesWithScalesOfRowsAndOfTheTensor) {
  if (dtype() != DType::kF8E4M3) return;
  TestWeight weight(dtype(), 300, 512, 3);
  for (const int64_t block_rows : {1, 300}) {
    for (const auto& [row, rows, col, cols] :
         {std::tuple{0, 300, 0, 512}, {130, 57, 96, 224}, {299, 1, 500, 12}}) {
      const LinearSource source =
          weight.WithRowScales(weight.Slice(compute(), row, rows, col, cols), block_rows);
      EXPECT_TRUE(Agrees(source, RandomRows(3 * cols, 4)))
          << block_rows << ' ' << row << ' ' << col;
    }
  }
}

TEST_P(LinearTest, AddsTheBiasToTheFinishedSum) {
  const TestWeight weight(dtype(), 37, 192, 5, form());
  const std::vector<float> bias = RandomRows(37, 6);
  LinearSource source = weight.Whole(compute());
  source.bias = TensorView(bias.data(), DType::kF32, {37});
  EXPECT_TRUE(Agrees(source, RandomRows(9 * 192, 7)));
}

TEST_P(LinearTest, AWeightPackedInPiecesGivesTheSameBits) {
  constexpr int64_t kN = 237, kK = 332;
  const TestWeight weight(dtype(), kN, kK, 20, form());
  const std::vector<float> bias = RandomRows(kN, 21), x = RandomRows(5 * kK, 22);
  const auto piece = [&](int64_t begin, int64_t rows) {
    LinearSource source = weight.Slice(compute(), begin, rows, 0, kK);
    source.bias = TensorView(bias.data() + begin, DType::kF32, {rows});
    return source;
  };
  const auto whole = cpu_.Pack(piece(0, kN));
  const auto packed = cpu::StartPack(cpu_.context, cpu_.device, piece(64, 32), nullptr, kN);
  EXPECT_EQ(packed->num_bytes(), whole->num_bytes());
  for (const auto& [begin, rows] : {std::pair{192, 45}, {0, 64}, {96, 96}, {64, 32}}) {
    cpu::PackRows(cpu_.context, piece(begin, rows), nullptr, begin, packed.get());
  }
  EXPECT_TRUE(SameBits(cpu_.Linear(*packed, x), cpu_.Linear(*whole, x), kN));
}

TEST_P(LinearTest, AWeightThatIsRestoredFromItsMemoryGivesTheSameBits) {
  constexpr int64_t kN = 83, kK = 352;  // a multiple of every group of whole numbers
  const TestWeight weight(dtype(), kN, kK, 23, form());
  const std::vector<float> bias = RandomRows(kN, 24), x = RandomRows(5 * kK, 25);
  for (const bool gate_up : {false, true}) {
    LinearSource source = weight.Slice(compute(), 7, kN - 7, 0, kK);
    source.bias = TensorView(bias.data(), DType::kF32, {kN - 7});
    const auto packed =
        gate_up ? cpu::PackGateUp(cpu_.context, cpu_.device, source, source) : cpu_.Pack(source);
    const Buffer& from = packed->memory();
    // Without the sources: of them only the form is known.
    PackedForm form{.source = source, .gate_up = gate_up, .bias = true};
    form.source.weight.data = form.source.zeros.data = nullptr;
    form.source.scales = form.source.bias = {};
    const auto copy = [&](int64_t bytes) {
      Buffer memory = cpu_.device.Allocate(bytes);
      memcpy(memory.data(), from.data(), static_cast<size_t>(std::min(bytes, from.num_bytes())));
      return memory;
    };
    const auto restored = cpu::Restore(cpu_.context, form, copy(from.num_bytes()));
    ASSERT_TRUE(restored.ok()) << restored.status();
    EXPECT_EQ((*restored)->takes_quantised(), packed->takes_quantised());
    const auto result = [&](const PackedLinear& by) {
      if (!gate_up) return cpu_.Linear(by, x);
      std::vector<float> y(static_cast<size_t>(5 * by.n()));
      cpu::GateUp(cpu_.context, {.x = TensorView(x.data(), DType::kF32, {5, kK}),
                                 .weight = &by,
                                 .y = TensorView(y.data(), DType::kF32, {5, by.n()})});
      return y;
    };
    EXPECT_TRUE(SameBits(result(**restored), result(*packed), kN - 7));
    for (const int64_t other : {from.num_bytes() - 4, from.num_bytes() + 64, int64_t{0}}) {
      EXPECT_FALSE(cpu::Restore(cpu_.context, form, copy(other)).ok()) << other;
    }
  }
}

TEST_P(LinearTest, SumsVirtualShardsOfAnyNumber) {
  const TestWeight weight(dtype(), 50, 8 * 77, 8, form());
  for (const int64_t shards : {1, 2, 4, 8}) {
    LinearSource source = weight.Whole(compute());
    source.k_shards = shards;
    EXPECT_TRUE(Agrees(source, RandomRows(10 * 8 * 77, 9))) << shards << " shards";
  }
}

TEST_P(LinearTest, ARowsBitsDependOnThatRowAlone) {
  constexpr int64_t kN = 83, kK = 336, kMost = 512;
  const TestWeight weight(dtype(), kN, kK, 10, form());
  LinearSource source = weight.Whole(compute());
  source.k_shards = 2;
  const auto packed = cpu_.Pack(source);
  const std::vector<float> x = RandomRows(kMost * kK, 11);
  std::vector<float> alone;
  for (int64_t row = 0; row < kMost; ++row) {
    const std::vector<float> y = cpu_.Linear(*packed, std::span(x).subspan(row * kK, kK));
    alone.insert(alone.end(), y.begin(), y.end());
  }
  for (const int64_t rows : cases::kRows) {
    for (const int64_t first : {int64_t{0}, (kMost - rows) / 2, kMost - rows}) {
      const std::vector<float> y =
          cpu_.Linear(*packed, std::span(x).subspan(first * kK, rows * kK));
      EXPECT_TRUE(SameBits(y, std::span(alone).subspan(first * kN, rows * kN), kN))
          << rows << " rows from " << first;
    }
  }
}

TEST_P(LinearTest, AnOutputsBitsDependOnItsWeightRowAlone) {
  constexpr int64_t kN = 200, kK = 300;
  const TestWeight weight(dtype(), kN, kK, 12, form());
  const std::vector<float> x = RandomRows(9 * kK, 13);
  const std::vector<float> whole = cpu_.Linear(*cpu_.Pack(weight.Whole(compute())), x);
  for (const auto& [begin, count] : {std::pair{0, 1}, {1, 16}, {77, 100}, {120, 80}, {199, 1}}) {
    const auto slice = cpu_.Pack(weight.Slice(compute(), begin, count, 0, kK));
    const std::vector<float> y = cpu_.Linear(*slice, x);
    for (int64_t row = 0; row < 9; ++row) {
      EXPECT_TRUE(SameBits(std::span(y).subspan(row * count, count),
                           std::span(whole).subspan(row * kN + begin, count), count));
    }
  }
}

TEST_P(LinearTest, AnyNumberOfThreadsGivesTheSameBits) {
  const TestWeight weight(dtype(), 600, 520, 14, form());
  const std::vector<float> x = RandomRows(70 * 520, 15);
  const std::vector<float> two = cpu_.Linear(*cpu_.Pack(weight.Whole(compute())), x);
  for (const int threads : {1, 3, 8}) {
    TestCpu other(cpu_.context.isa, threads);
    EXPECT_TRUE(SameBits(other.Linear(*other.Pack(weight.Whole(compute())), x), two, 600))
        << threads;
  }
}

// What row-parallel ranks rely on: partial sums over slices of K, added as a tree, are the whole
// sum.
TEST_P(LinearTest, RanksThatShareTheVirtualShardsWalkOneTree) {
  constexpr int64_t kN = 40, kShards = 8, kK = kShards * 48, kRows = 9;
  const TestWeight weight(dtype(), kN, kK, 16, form());
  const std::vector<float> x = RandomRows(kRows * kK, 17);
  LinearSource source = weight.Whole(compute());
  source.k_shards = kShards;
  const std::vector<float> whole = cpu_.Linear(*cpu_.Pack(source), x);
  for (const int64_t ranks : {2, 4, 8}) {
    const int64_t width = kK / ranks;
    std::vector<std::vector<float>> parts;
    for (int64_t rank = 0; rank < ranks; ++rank) {
      LinearSource slice = weight.Slice(compute(), 0, kN, rank * width, width);
      slice.k_shards = kShards / ranks;
      const auto packed = cpu_.Pack(slice);
      const TensorView x_slice =
          TensorView(x.data(), DType::kF32, {kRows, kK}).Cols(rank * width, width);
      // Slices cut quantisation groups here, so ranks agree on the groups' maxima first.
      const std::vector<float> amax = reference::GroupAmax(x, kRows, kK, 0);
      const TensorView groups(amax.data(), DType::kF32, {kRows, 3});
      const int64_t first = rank * width / 128, last = (rank * width + width - 1) / 128;
      std::vector<float> y(kRows * kN);
      cpu::Linear(cpu_.context, {.x = x_slice,
                                 .weight = packed.get(),
                                 .y = TensorView(y.data(), DType::kF32, {kRows, kN}),
                                 .x_amax = groups.Cols(first, last - first + 1)});
      parts.push_back(y);
    }
    for (size_t step = 1; step < parts.size(); step *= 2) {
      for (size_t i = 0; i + step < parts.size(); i += 2 * step) {
        for (size_t j = 0; j < parts[i].size(); ++j) parts[i][j] += parts[i + step][j];
      }
    }
    EXPECT_TRUE(SameBits(parts[0], whole, kN)) << ranks << " ranks";
  }
}

TEST_P(LinearTest, NanAndInfinityReachTheirOwnRowsOnly) {
  constexpr int64_t kN = 20, kK = 152, kRows = 8;
  const TestWeight weight(dtype(), kN, kK, 18, form());
  const auto packed = cpu_.Pack(weight.Whole(compute()));
  std::vector<float> x = RandomRows(kRows * kK, 19);
  const std::vector<float> clean = cpu_.Linear(*packed, x);
  x[1 * kK + 149] = std::numeric_limits<float>::quiet_NaN();
  x[4 * kK + 3] = std::numeric_limits<float>::infinity();
  const std::vector<float> y = cpu_.Linear(*packed, x);
  for (int64_t i = 0; i < kRows * kN; ++i) {
    if (i / kN == 1) {
      EXPECT_TRUE(std::isnan(y[i])) << i;
    } else if (i / kN == 4) {
      EXPECT_FALSE(std::isfinite(y[i])) << i;
    } else {
      EXPECT_EQ(y[i], clean[i]) << i;
    }
  }
}

TEST_P(LinearTest, ANanWeightReachesItsOwnOutputOnly) {
  constexpr int64_t kN = 20, kK = 40;
  TestWeight weight(dtype(), kN, kK, 20, form());
  if (dtype() == DType::kF16) return;  // NaN halves are tested with dtype.h
  if (dtype() == DType::kI8 || dtype() == DType::kU4 || dtype() == DType::kF4E2M1) {
    return;  // no code is NaN
  }
  weight.Store(7 * kK + 11, std::numeric_limits<float>::quiet_NaN());
  const auto packed = cpu_.Pack(weight.Whole(compute()));
  for (const int64_t rows : {1, 9}) {
    const std::vector<float> y = cpu_.Linear(*packed, RandomRows(rows * kK, 21));
    for (int64_t i = 0; i < rows * kN; ++i) EXPECT_EQ(std::isnan(y[i]), i % kN == 7) << i;
  }
}

TEST_P(LinearTest, NoRowsIsNoWork) {
  const auto packed = cpu_.Pack(TestWeight(dtype(), 20, 40, 22, form()).Whole(compute()));
  EXPECT_TRUE(cpu_.Linear(*packed, {}).empty());
}

TEST_P(LinearTest, RowsMayBeColumnsOfWiderMatrices) {
  constexpr int64_t kN = 30, kK = 70, kRows = 5, kWide = 200;
  const auto packed = cpu_.Pack(TestWeight(dtype(), kN, kK, 23, form()).Whole(compute()));
  const std::vector<float> wide = RandomRows(kRows * kWide, 24);
  const TensorView x = TensorView(wide.data(), DType::kF32, {kRows, kWide}).Cols(13, kK);
  std::vector<float> out(kRows * kWide, 7.0f), dense;
  const TensorView y = TensorView(out.data(), DType::kF32, {kRows, kWide}).Cols(50, kN);
  cpu::Linear(cpu_.context, {.x = x, .weight = packed.get(), .y = y});
  for (int64_t row = 0; row < kRows; ++row) {
    const float* values = x.row<float>(row);
    const std::vector<float> alone = cpu_.Linear(*packed, {values, kK});
    EXPECT_TRUE(SameBits({y.row<float>(row), kN}, alone, kN));
    EXPECT_EQ(out[row * kWide + 49], 7.0f);
    EXPECT_EQ(out[row * kWide + 50 + kN], 7.0f);
  }
}

INSTANTIATE_TEST_SUITE_P(All, LinearTest,
                         ::testing::Combine(::testing::ValuesIn(Isas()),
                                            ::testing::ValuesIn(AllModes())),
                         [](const auto& info) {
                           std::string name(cpu::Name(std::get<0>(info.param)));
                           std::erase(name, '-');
                           return name + "_" + NameOf(std::get<1>(info.param));
                         });

}  // namespace
}  // namespace switchyard::kernels
