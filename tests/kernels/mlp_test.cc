// SwiGLU blocks, experts and batched products: the ops that run many panels in one region.
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/cpu/linear.h"
#include "kernels/cpu/panel_kernels.h"
#include "kernels/cpu/panel_matrix.h"
#include "tests/kernels/linear_fixture.h"
#include "tests/kernels/reference/linear_reference.h"
#include "tests/kernels/routed_rows.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using cpu::Isa;
using switchyard::testing::Close;
using switchyard::testing::SameBits;

class MlpTest : public ::testing::TestWithParam<std::tuple<Isa, Mode>> {
 protected:
  MlpTest() : cpu_(std::get<0>(GetParam())) {}

  DType dtype() const { return std::get<1>(GetParam()).weight; }
  Compute compute() const { return std::get<1>(GetParam()).compute; }
  WeightForm form() const { return std::get<1>(GetParam()).form; }

  std::vector<float> GateUp(const PackedLinear& weight, std::span<const float> x) {
    const int64_t rows = static_cast<int64_t>(x.size()) / weight.k();
    std::vector<float> y(static_cast<size_t>(rows * weight.n()));
    cpu::GateUp(cpu_.context, {.x = TensorView(x.data(), DType::kF32, {rows, weight.k()}),
                               .weight = &weight,
                               .y = TensorView(y.data(), DType::kF32, {rows, weight.n()})});
    return y;
  }

  MlpWeights MakeMlp(int64_t hidden, int64_t width, uint32_t seed) {
    const TestWeight gate(dtype(), width, hidden, seed, form()),
        up(dtype(), width, hidden, seed + 1, form());
    const TestWeight down(dtype(), hidden, width, seed + 2, form());
    return {.gate_up = cpu::PackGateUp(cpu_.context, cpu_.device, gate.Whole(compute()),
                                       up.Whole(compute())),
            .down = cpu_.Pack(down.Whole(compute()))};
  }

  TestCpu cpu_;
};

TEST_P(MlpTest, GateUpPackedInPiecesGivesTheSameBits) {
  constexpr int64_t kN = 150, kK = 130;
  const TestWeight gate(dtype(), kN, kK, 31, form()), up(dtype(), kN, kK, 32, form());
  const std::vector<float> x = RandomRows(3 * kK, 33);
  const auto whole =
      cpu::PackGateUp(cpu_.context, cpu_.device, gate.Whole(compute()), up.Whole(compute()));
  std::unique_ptr<PackedLinear> packed;
  for (const auto& [begin, rows] : {std::pair{96, 54}, {0, 96}}) {
    const LinearSource first = gate.Slice(compute(), begin, rows, 0, kK);
    const LinearSource second = up.Slice(compute(), begin, rows, 0, kK);
    if (packed == nullptr) packed = cpu::StartPack(cpu_.context, cpu_.device, first, &second, kN);
    cpu::PackRows(cpu_.context, first, &second, begin, packed.get());
  }
  EXPECT_EQ(GateUp(*packed, x), GateUp(*whole, x));
}

TEST_P(MlpTest, GateUpAgreesWithDoublePrecision) {
  for (const auto& [n, k] : {std::pair{1, 5}, {17, 130}, {96, 256}, {250, 64}}) {
    const TestWeight gate(dtype(), n, k, 1, form()), up(dtype(), n, k, 2, form());
    const auto packed =
        cpu::PackGateUp(cpu_.context, cpu_.device, gate.Whole(compute()), up.Whole(compute()));
    for (const int64_t rows : {1, 7, 34}) {
      std::vector<float> x = RandomRows(rows * k, 3);
      for (float& value : x) value *= 0.1f;
      const std::vector<float> got = GateUp(*packed, x);
      const reference::Sums want =
          reference::GateUp(gate.Whole(compute()), up.Whole(compute()), {.x = x, .rows = rows});
      EXPECT_TRUE(Close({.got = got,
                         .want = want.value,
                         .magnitude = want.magnitude,
                         .columns = n,
                         .num_terms = k}))
          << n << " x " << k << ", " << rows << " rows";
    }
  }
}

TEST_P(MlpTest, AnExpertsRowsDependOnTheirTokensAlone) {
  constexpr int64_t kHidden = 72;
  std::vector<MlpWeights> mlps;
  for (const int64_t width : {40, 130, 16, 96})
    mlps.push_back(MakeMlp(kHidden, width, 10 + static_cast<uint32_t>(width)));
  const std::vector<const MlpWeights*> experts = {&mlps[0], &mlps[1], &mlps[2], &mlps[3]};
  const std::vector<int32_t> offsets = {0, 1, 34, 34, 40};  // one row, many, none, some
  const std::vector<float> x = RandomRows(40 * kHidden, 4);
  std::vector<float> y(x.size());
  cpu::GroupedMlp(cpu_.context, {.x = TensorView(x.data(), DType::kF32, {40, kHidden}),
                                 .offsets = offsets,
                                 .mlps = experts,
                                 .y = TensorView(y.data(), DType::kF32, {40, kHidden})});
  for (size_t expert = 0; expert < experts.size(); ++expert) {
    for (int64_t row = offsets[expert]; row < offsets[expert + 1]; ++row) {
      const std::vector<float> hidden =
          GateUp(*mlps[expert].gate_up, std::span(x).subspan(row * kHidden, kHidden));
      const std::vector<float> alone = cpu_.Linear(*mlps[expert].down, hidden);
      EXPECT_TRUE(SameBits(std::span(y).subspan(row * kHidden, kHidden), alone, kHidden))
          << expert << ' ' << row;
    }
  }
}

TEST_P(MlpTest, RoutedRowsHaveTheBitsOfGroupedOnes) {
  constexpr int64_t kHidden = 72;
  std::vector<MlpWeights> mlps;
  for (const int64_t width : {40, 130, 16, 96, 32})
    mlps.push_back(MakeMlp(kHidden, width, 10 + static_cast<uint32_t>(width)));
  const std::vector<const MlpWeights*> views = {&mlps[0], &mlps[1], &mlps[2], &mlps[3], &mlps[4]};
  MlpTable table(views);
  for (const cases::RoutedCase& shape : cases::kRouted) {
    const RoutedRows rows(shape);
    const std::vector<float> x = RandomRows(rows.num_rows * kHidden, 4);
    const std::vector<float> packed = RowsOf(x, kHidden, rows.packed);
    std::vector<float> grouped(packed.size()), want(x.size(), 7.0f), got(x.size(), 7.0f);
    const auto view = [&](const std::vector<float>& values) {
      return TensorView(values.data(), DType::kF32, {std::ssize(values) / kHidden, kHidden});
    };
    cpu::GroupedMlp(
        cpu_.context,
        {.x = view(packed), .offsets = rows.offsets, .mlps = views, .y = view(grouped)});
    for (size_t i = 0; i < rows.packed.size(); ++i) {
      std::copy_n(grouped.begin() + static_cast<int64_t>(i) * kHidden, kHidden,
                  want.begin() + rows.packed[i] * kHidden);
    }
    cpu::RoutedMlp(cpu_.context,
                   {.x = view(x),
                    .spans = TensorView(rows.spans.data(), DType::kI32, {cases::kRoutedBlocks, 2}),
                    .table = &table,
                    .y = view(got),
                    .max_rows = rows.num_packed()});
    EXPECT_TRUE(SameBits(got, want, kHidden)) << shape.name;
  }
}

TEST_P(MlpTest, BatchedLinearIsOneLinearPerHead) {
  constexpr int64_t kRows = 9, kHeads = 5, kN = 48, kK = 136;
  std::vector<std::unique_ptr<PackedLinear>> weights;
  std::vector<const PackedLinear*> heads;
  for (uint32_t head = 0; head < kHeads; ++head) {
    weights.push_back(cpu_.Pack(TestWeight(dtype(), kN, kK, head, form()).Whole(compute())));
    heads.push_back(weights.back().get());
  }
  const std::vector<float> x = RandomRows(kRows * kHeads * kK, 5);
  std::vector<float> y(kRows * kHeads * kN);
  cpu::BatchedLinear(cpu_.context, {.x = TensorView(x.data(), DType::kF32, {kRows, kHeads, kK}),
                                    .weights = heads,
                                    .y = TensorView(y.data(), DType::kF32, {kRows, kHeads, kN})});
  for (int64_t i = 0; i < kRows * kHeads; ++i) {
    const std::vector<float> alone =
        cpu_.Linear(*heads[i % kHeads], std::span(x).subspan(i * kK, kK));
    EXPECT_TRUE(SameBits(std::span(y).subspan(i * kN, kN), alone, kN)) << i;
  }
}

TEST_P(MlpTest, PowerOfTwoScalesChangeW8A8AsTheReferenceSays) {
  constexpr int64_t kN = 20, kK = 200, kRows = 4;
  const TestWeight weight(dtype(), kN, kK, 30, form());
  const auto packed = cpu_.Pack(weight.Whole(compute()));
  const std::vector<float> x = RandomRows(kRows * kK, 31);
  std::vector<float> y(kRows * kN);
  cpu::Linear(cpu_.context, {.x = TensorView(x.data(), DType::kF32, {kRows, kK}),
                             .weight = packed.get(),
                             .y = TensorView(y.data(), DType::kF32, {kRows, kN}),
                             .ue8m0_scales = true});
  const reference::Sums want =
      reference::Linear(weight.Whole(compute()), {.x = x, .rows = kRows, .ue8m0 = true});
  EXPECT_TRUE(Close(
      {.got = y, .want = want.value, .magnitude = want.magnitude, .columns = kN, .num_terms = kK}));
}

TEST_P(MlpTest, GroupMaximaCountGroupsFromTheWholeRow) {
  constexpr int64_t kRows = 3, kK = 300;
  const std::vector<float> x = RandomRows(kRows * kK, 32);
  for (const int64_t offset : {0, 1, 96, 128, 250}) {
    const std::vector<float> want = reference::GroupAmax(x, kRows, kK, offset);
    const int64_t groups = static_cast<int64_t>(want.size()) / kRows;
    std::vector<float> amax(want.size());
    cpu::GroupAmax(cpu_.context, {.x = TensorView(x.data(), DType::kF32, {kRows, kK}),
                                  .col_offset = offset,
                                  .amax = TensorView(amax.data(), DType::kF32, {kRows, groups})});
    EXPECT_TRUE(SameBits(amax, want, groups)) << offset;
  }
}

INSTANTIATE_TEST_SUITE_P(All, MlpTest,
                         ::testing::Combine(::testing::ValuesIn(Isas()),
                                            ::testing::ValuesIn(kModes)),
                         [](const auto& info) {
                           std::string name(cpu::Name(std::get<0>(info.param)));
                           std::erase(name, '-');
                           return name + "_" + NameOf(std::get<1>(info.param));
                         });

class RowKernelTest : public ::testing::TestWithParam<Isa> {
 protected:
  const cpu::PanelKernels& kernels_ = cpu::KernelsFor(GetParam());
};

TEST_P(RowKernelTest, QuantizesEveryMagnitudeLikeTheScalarConversion) {
  std::vector<float> x;
  for (uint32_t bits = 0; bits < 0x7f800000u; bits += 0x4321)
    x.push_back(std::bit_cast<float>(bits));
  for (const float edge :
       {448.0f, 463.9f, 464.0f, 1e30f, INFINITY, 0x1p-6f, 0x1p-9f, 0x1p-10f, 0x1.8p-9f})
    x.push_back(edge);
  const size_t half = x.size();
  for (size_t i = 0; i < half; ++i) x.push_back(-x[i]);
  std::vector<float> q(x.size()), want(x.size());
  kernels_.quantize(x.data(), static_cast<int64_t>(x.size()), 1.0f, q.data());
  for (size_t i = 0; i < x.size(); ++i) want[i] = ToFloat(ToF8E4M3(x[i]));
  EXPECT_TRUE(SameBits(q, want, 1));
  const float nan = NAN;
  kernels_.quantize(&nan, 1, 1.0f, q.data());
  EXPECT_TRUE(std::isnan(q[0]));
}

TEST_P(RowKernelTest, SiluIsAccurateOverTheWholeRange) {
  std::vector<float> gate, up;
  std::vector<double> want;
  for (double g = -80; g < 120; g += 0.0137) {
    gate.push_back(static_cast<float>(g));
    up.push_back(1.5f);
    want.push_back(1.5 * gate.back() / (1 + std::exp(-static_cast<double>(gate.back()))));
  }
  std::vector<float> y(gate.size());
  kernels_.silu_mul(gate.data(), up.data(), static_cast<int64_t>(gate.size()), y.data());
  EXPECT_TRUE(Close({.got = y, .want = want}));
  const float extremes[] = {-1e4f, 1e4f, INFINITY, NAN}, ones[] = {1, 1, 1, 1};
  kernels_.silu_mul(extremes, ones, 4, y.data());
  EXPECT_EQ(y[0], 0.0f);
  EXPECT_EQ(y[1], 1e4f);
  EXPECT_EQ(y[2], INFINITY);
  EXPECT_TRUE(std::isnan(y[3]));
}

TEST_P(RowKernelTest, RowsOfAnyLengthAreLikeTheirElements) {
  const std::vector<float> x = RandomRows(100, 40);
  for (int64_t count = 1; count < 70; ++count) {
    std::vector<float> q(100, 9.0f), y(100, 9.0f);
    kernels_.quantize(x.data(), count, 0.25f, q.data());
    kernels_.silu_mul(x.data(), x.data() + 30, count, y.data());
    for (int64_t i = 0; i < count; ++i) {
      float one_q, one_y;
      kernels_.quantize(&x[i], 1, 0.25f, &one_q);
      kernels_.silu_mul(&x[i], &x[i + 30], 1, &one_y);
      EXPECT_EQ(q[i], one_q);
      EXPECT_EQ(y[i], one_y);
    }
    EXPECT_EQ(q[count], 9.0f);
    EXPECT_EQ(y[count], 9.0f);
  }
}

INSTANTIATE_TEST_SUITE_P(All, RowKernelTest, ::testing::ValuesIn(Isas()), [](const auto& info) {
  std::string name(cpu::Name(info.param));
  std::erase(name, '-');
  return name;
});

}  // namespace
}  // namespace switchyard::kernels
