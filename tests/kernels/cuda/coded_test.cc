// Weights of 4-bit codes are multiplied as they are, with the bits of weights that were widened to
// BF16 before, in every op and wherever borders of groups, shards and slices lie.
#include <cmath>

#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/linear_matrix.h"
#include "tests/kernels/cuda/cuda_linear_fixture.h"
#include "tests/kernels/routed_rows.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using cuda::GemmForm;
using switchyard::testing::SameBits;

struct Codes {
  const char* name;
  DType dtype;
  int64_t group_columns;
  bool zeros = false;

  GemmForm form() const { return dtype == DType::kU4 ? GemmForm::kInt4 : GemmForm::kMxfp4; }
};

std::ostream& operator<<(std::ostream& out, const Codes& codes) { return out << codes.name; }

float ValueOf(const LinearSource& source, int64_t n, int64_t k) {
  const int64_t group = (k + source.col_offset) / source.block_cols;
  const float scale = source.scales.row<float>(n + source.row_offset)[group];
  const uint8_t code = source.weight.row<uint8_t>(n)[k];
  if (source.weight.dtype == DType::kF4E2M1) return ToFloat(static_cast<F4E2M1>(code)) * scale;
  const int zero =
      source.zeros.empty() ? 8 : source.zeros.row<int8_t>(n + source.row_offset)[group];
  return static_cast<float>(code - zero) * scale;
}

// The same weight in BF16.
struct Widened {
  explicit Widened(const LinearSource& codes) : source(codes) {
    const int64_t n = codes.weight.dims[0], k = codes.weight.dims[1];
    for (int64_t i = 0; i < n * k; ++i) values.push_back(ToBf16(ValueOf(codes, i / k, i % k)));
    source.weight = TensorView(values.data(), DType::kBf16, {n, k});
    source.scales = source.zeros = {};
  }
  std::vector<Bf16> values;
  LinearSource source;
};

GemmForm FormOf(const PackedLinear& packed) {
  return static_cast<const cuda::LinearMatrix&>(packed).layout().form;
}

class CudaCoded : public CudaTest, public ::testing::WithParamInterface<Codes> {
 protected:
  TestWeight MakeWeight(int64_t n, int64_t k, uint32_t seed) const {
    return TestWeight(GetParam().dtype, n, k, seed, WeightForm::kStored, GetParam().group_columns);
  }
  LinearSource SourceOf(const TestWeight& weight, int64_t row, int64_t rows, int64_t col,
                        int64_t cols) const {
    LinearSource source = weight.Slice(Compute::kBf16, row, rows, col, cols);
    if (!GetParam().zeros) source.zeros = {};
    return source;
  }

  std::vector<float> Linear(cuda::CudaContext& cuda, const PackedLinear& weight,
                            std::span<const float> x) {
    const int64_t rows = std::ssize(x) / weight.k();
    const TensorView y = Make(DType::kF32, {rows, weight.n()});
    const TensorView wide = Put(DType::kBf16, {rows, weight.k()}, x);
    device_->Synchronize();  // another device's stream waits for nothing
    cuda::Linear(cuda, {.x = wide, .weight = &weight, .y = y});
    cuda.device.Synchronize();
    return Get(y);
  }
  std::vector<float> GateUp(const PackedLinear& weight, std::span<const float> x) {
    const int64_t rows = std::ssize(x) / weight.k();
    const TensorView y = Make(DType::kF32, {rows, weight.n()});
    cuda::GateUp(cuda_, {.x = Put(DType::kBf16, {rows, weight.k()}, x), .weight = &weight, .y = y});
    return Get(y);
  }

  // A device of one processor: large blocks, many pieces each, parts of K one after the other.
  struct Busy {
    static cudaStream_t Stream() {
      cudaStream_t stream = nullptr;
      EXPECT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
      return stream;
    }
    cuda::CudaDevice device{0, 1, Stream()};
    cuda::CudaContext context{device};
  };
};

TEST_P(CudaCoded, LinearHasTheBitsOfTheWidenedWeight) {
  constexpr int64_t kN = 150, kK = 512;
  Busy busy;
  const TestWeight weight = MakeWeight(kN, kK, 1);
  for (const auto& [row, rows, col, cols, shards] : {std::tuple{0, 150, 0, 512, 1},
                                                     {70, 80, 128, 384, 1},
                                                     {3, 64, 0, 512, 4},
                                                     {0, 1, 256, 128, 1}}) {
    LinearSource source = SourceOf(weight, row, rows, col, cols);
    source.k_shards = shards;
    const auto packed = cuda::Pack(cuda_, source);
    EXPECT_EQ(FormOf(*packed), GetParam().form());
    const Widened widened(source);
    const auto wide = cuda::Pack(cuda_, widened.source);
    EXPECT_LT(packed->num_bytes(), wide->num_bytes() * 2 / 5 + 1024);
    for (const int64_t tokens : {1, 16, 17, 33, 129}) {
      const std::vector<float> x = RandomBf16(tokens * cols, 4);
      const std::vector<float> want = Linear(cuda_, *wide, x);
      EXPECT_TRUE(SameBits(Linear(cuda_, *packed, x), want, rows)) << row << ' ' << tokens;
      if (tokens < 33) continue;
      EXPECT_TRUE(SameBits(Linear(busy.context, *packed, x), want, rows)) << row << ' ' << tokens;
    }
  }
}

// Odd borders: in halves of tiles, or widened while the weight is packed.
TEST_P(CudaCoded, BordersThatCutTilesOrGroupsKeepTheBits) {
  constexpr int64_t kN = 70, kK = 512, kTokens = 9;
  const TestWeight weight = MakeWeight(kN, kK, 5);
  for (const auto& [col, cols, shards, halves] : {std::tuple{32, 96, 1, true},
                                                  {96, 288, 1, true},
                                                  {0, 192, 2, true},
                                                  {0, 80, 1, false},
                                                  {8, 64, 1, false},
                                                  {0, 256, 16, false}}) {
    LinearSource source = SourceOf(weight, 0, kN, col, cols);
    source.k_shards = shards;
    const auto packed = cuda::Pack(cuda_, source);
    EXPECT_EQ(FormOf(*packed), halves ? GetParam().form() : GemmForm::kBf16) << col << ' ' << cols;
    const Widened widened(source);
    const std::vector<float> x = RandomBf16(kTokens * cols, 6);
    EXPECT_TRUE(SameBits(Linear(cuda_, *packed, x),
                         Linear(cuda_, *cuda::Pack(cuda_, widened.source), x), kN))
        << col << ' ' << cols << ' ' << shards;
  }
}

TEST_P(CudaCoded, GateAndUpWithBiasesHaveTheBitsOfTheWidenedWeights) {
  constexpr int64_t kN = 50, kK = 256, kTokens = 19;
  const TestWeight gate = MakeWeight(kN, kK, 41), up = MakeWeight(kN, kK, 42);
  const std::vector<float> gate_bias = RandomRows(kN, 43), up_bias = RandomRows(kN, 44);
  const std::vector<float> x = RandomBf16(kTokens * kK, 45, 0.05f);
  for (const int64_t shards : {1, 2}) {
    const auto part = [&](const TestWeight& weight, const std::vector<float>& bias) {
      LinearSource source = SourceOf(weight, 0, kN, 0, kK);
      source.bias = TensorView(bias.data(), DType::kF32, {kN});
      source.gating = {GateFunction::kClampedSwiglu, 7};
      source.k_shards = shards;
      return source;
    };
    const LinearSource gate_source = part(gate, gate_bias), up_source = part(up, up_bias);
    const auto packed = cuda::PackGateUp(cuda_, gate_source, up_source);
    EXPECT_EQ(FormOf(*packed), GetParam().form());
    const Widened wide_gate(gate_source), wide_up(up_source);
    const std::vector<float> want =
        GateUp(*cuda::PackGateUp(cuda_, wide_gate.source, wide_up.source), x);
    EXPECT_TRUE(SameBits(GateUp(*packed, x), want, kN)) << shards;

    PackedForm form{.source = gate_source, .gate_up = true, .bias = true};
    form.source.weight.data = form.source.zeros.data = nullptr;
    form.source.scales = form.source.bias = {};
    Buffer copy = cuda_.device.Allocate(packed->num_bytes());
    std::vector<std::byte> bytes(static_cast<size_t>(packed->num_bytes()));
    cuda_.device.CopyToHost(bytes.data(), packed->memory().data(), packed->num_bytes());
    cuda_.device.CopyToDevice(copy.data(), bytes.data(), packed->num_bytes());
    const auto restored = cuda::Restore(form, std::move(copy));
    ASSERT_TRUE(restored.ok()) << restored.status();
    EXPECT_TRUE(SameBits(GateUp(**restored, x), want, kN)) << "restored from its memory";
    EXPECT_FALSE(cuda::Restore(form, cuda_.device.Allocate(packed->num_bytes() - 256)).ok());
  }
}

// Beside experts of another arithmetic, by offsets and by lists of the device.
TEST_P(CudaCoded, ExpertsHaveTheBitsOfTheWidenedOnes) {
  constexpr int64_t kHidden = 128;
  Busy busy;
  std::vector<MlpWeights> coded, wide;
  for (const int64_t width : {64, 256, 128}) {
    const auto seed = static_cast<uint32_t>(width);
    const TestWeight gate = MakeWeight(width, kHidden, seed),
                     up = MakeWeight(width, kHidden, seed + 1);
    const TestWeight down = MakeWeight(kHidden, width, seed + 2);
    const LinearSource gate_source = SourceOf(gate, 0, width, 0, kHidden);
    const LinearSource up_source = SourceOf(up, 0, width, 0, kHidden);
    const LinearSource down_source = SourceOf(down, 0, kHidden, 0, width);
    const Widened wide_gate(gate_source), wide_up(up_source), wide_down(down_source);
    const bool kept = width != 256;
    wide.push_back({.gate_up = cuda::PackGateUp(cuda_, wide_gate.source, wide_up.source),
                    .down = cuda::Pack(cuda_, wide_down.source)});
    coded.push_back({.gate_up = kept ? cuda::PackGateUp(cuda_, gate_source, up_source)
                                     : cuda::PackGateUp(cuda_, wide_gate.source, wide_up.source),
                     .down = cuda::Pack(cuda_, down_source)});
  }
  const auto views = [](const std::vector<MlpWeights>& mlps) {
    return std::vector<const MlpWeights*>{&mlps[0], &mlps[1], &mlps[2], &mlps[0], &mlps[2]};
  };
  const std::vector<int32_t> offsets = {0, 1, 10, 10, 49, 60};
  const TensorView x = PutBf16({60, kHidden}, RandomBf16(60 * kHidden, 4, 0.05f));
  const auto run = [&](cuda::CudaContext& cuda, const std::vector<MlpWeights>& mlps, bool routed) {
    const TensorView y = Make(DType::kBf16, {60, kHidden});
    const std::vector<const MlpWeights*> blocks = views(mlps);
    device_->Synchronize();
    if (!routed) {
      cuda::GroupedMlp(cuda, {.x = x, .offsets = offsets, .mlps = blocks, .y = y});
      cuda.device.Synchronize();
      return Get(y);
    }
    std::vector<int32_t> spans;
    for (size_t i = 0; i + 1 < offsets.size(); ++i) {
      spans.insert(spans.end(), {offsets[i], offsets[i + 1] - offsets[i]});
    }
    const auto table = cuda::MakeMlpTable(cuda, blocks);
    cuda::RoutedMlp(cuda, {.x = x,
                           .spans = Put(DType::kI32, {5, 2}, std::span<const int32_t>(spans)),
                           .table = table.get(),
                           .y = y,
                           .max_rows = 60,
                           .likely_rows = 20});
    cuda.device.Synchronize();
    return Get(y);
  };
  const std::vector<float> want = run(cuda_, wide, false);
  EXPECT_TRUE(SameBits(run(cuda_, coded, false), want, kHidden));
  EXPECT_TRUE(SameBits(run(cuda_, coded, true), want, kHidden)) << "routed";
  EXPECT_TRUE(SameBits(run(busy.context, coded, true), want, kHidden)) << "routed, busy";
}

INSTANTIATE_TEST_SUITE_P(All, CudaCoded,
                         ::testing::Values(Codes{"int4_32_zeros", DType::kU4, 32, true},
                                           Codes{"int4_64", DType::kU4, 64},
                                           Codes{"int4_128_zeros", DType::kU4, 128, true},
                                           Codes{"int4_512", DType::kU4, 512},
                                           Codes{"mxfp4", DType::kF4E2M1, 32}),
                         [](const auto& info) { return std::string(info.param.name); });

// Rows of x that have one 1 each give the weight back.
class CudaCodes : public CudaTest {
 protected:
  void ExpectWidened(const LinearSource& source) {
    const int64_t n = source.weight.dims[0], k = source.weight.dims[1];
    const auto packed = cuda::Pack(cuda_, source);
    EXPECT_TRUE(cuda::IsCoded(FormOf(*packed)));
    std::vector<float> ones(static_cast<size_t>(k * k));
    for (int64_t i = 0; i < k; ++i) ones[static_cast<size_t>(i * k + i)] = 1;
    const TensorView y = Make(DType::kF32, {k, n});
    cuda::Linear(cuda_, {.x = PutBf16({k, k}, ones), .weight = packed.get(), .y = y});
    const std::vector<float> got = Get(y);
    for (int64_t row = 0; row < n; ++row) {
      for (int64_t column = 0; column < k; ++column) {
        EXPECT_EQ(got[static_cast<size_t>(column * n + row)],
                  ToFloat(ToBf16(ValueOf(source, row, column))))
            << row << ' ' << column;
      }
    }
  }
};

TEST_F(CudaCodes, EveryWholeNumberTimesScalesOfF16AndBf16IsRoundedOnce) {
  constexpr int64_t kK = 64, kGroups = 2;
  std::vector<float> scales;
  for (const float scale : {1.0f, 0x1.ffcp0f, 0x1.554p-3f, -0x1.a58p-7f, 65504.0f, -65504.0f,
                            0x1p-24f, 0x1.8p-23f, 0x1.ff8p-15f, 0x1.54p-40f, 0x1.fep15f, 0.0f}) {
    for (int zero = 0; zero <= 16; zero += 4) scales.push_back(scale);
  }
  const int64_t n = std::ssize(scales);
  std::vector<uint8_t> codes;
  std::vector<float> all_scales;
  std::vector<int8_t> zeros;
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t group = 0; group < kGroups; ++group) {
      all_scales.push_back(group == 0 ? scales[static_cast<size_t>(row)] : 0.5f);
      zeros.push_back(static_cast<int8_t>(row % 5 * 4 * (1 - group) + group * (row % 17)));
    }
    for (int64_t column = 0; column < kK; ++column) {
      codes.push_back(static_cast<uint8_t>((column + row) % 16));
    }
  }
  ExpectWidened({.name = "w",
                 .weight = TensorView(codes.data(), DType::kU4, {n, kK}),
                 .scales = TensorView(all_scales.data(), DType::kF32, {n, kGroups}),
                 .zeros = TensorView(zeros.data(), DType::kI8, {n, kGroups}),
                 .block_rows = 1,
                 .block_cols = 32});
}

TEST_F(CudaCodes, EveryFloatOf4BitsTimesEveryPowerOfTwoIsExact) {
  constexpr int64_t kRows = 253, kK = 32;
  std::vector<uint8_t> codes;
  std::vector<float> scales;
  for (int row = 0; row < kRows; ++row) {
    scales.push_back(std::ldexp(1.0f, row - 127));
    for (int column = 0; column < kK; ++column) {
      codes.push_back(static_cast<uint8_t>((column + row) % 16));
    }
  }
  ExpectWidened({.name = "w",
                 .weight = TensorView(codes.data(), DType::kF4E2M1, {kRows, kK}),
                 .scales = TensorView(scales.data(), DType::kF32, {kRows, 1}),
                 .block_rows = 1,
                 .block_cols = 32});
}

// Packed weights may be kept on a disk under the name of their form. If this fails because a layout
// was changed on purpose, give the form another name (packed_form in cuda_ops.cc) and record the
// digest here.
TEST_F(CudaCodes, TheFormsNameStandsForTheSameBytes) {
  EXPECT_TRUE(cuda::MakeCudaOps(cuda_.device)->packed_form().ends_with("-2"));
  constexpr int64_t kN = 83, kK = 160;
  std::vector<uint8_t> codes;
  std::vector<float> scales;
  std::vector<int8_t> zeros;
  uint32_t state = 1;
  const auto next = [&] { return (state = state * 1664525u + 1013904223u) >> 24; };
  for (int64_t i = 0; i < kN * kK; ++i) codes.push_back(static_cast<uint8_t>(next() % 16));
  for (int64_t i = 0; i < kN * kK / 32; ++i) {
    scales.push_back(std::ldexp(1.0f, static_cast<int>(next() % 16) - 12));
    zeros.push_back(static_cast<int8_t>(next() % 17));
  }
  const auto digest_of = [&](DType dtype, bool gate_up) {
    LinearSource source{.name = "w",
                        .weight = TensorView(codes.data(), dtype, {kN, kK}),
                        .scales = TensorView(scales.data(), DType::kF32, {kN, kK / 32}),
                        .block_rows = 1,
                        .block_cols = 32};
    if (dtype == DType::kU4) source.zeros = TensorView(zeros.data(), DType::kI8, {kN, kK / 32});
    const auto packed =
        gate_up ? cuda::PackGateUp(cuda_, source, source) : cuda::Pack(cuda_, source);
    const auto& matrix = static_cast<const cuda::LinearMatrix&>(*packed);
    std::vector<uint8_t> tiles(
        static_cast<size_t>(matrix.weight().row_tiles * matrix.layout().row_tile_bytes()));
    cuda_.device.CopyToHost(tiles.data(), matrix.weight().tiles, std::ssize(tiles));
    uint64_t digest = 0xcbf29ce484222325u;  // FNV-1a
    for (const uint8_t byte : tiles) digest = (digest ^ byte) * 0x100000001b3u;
    return digest;
  };
  EXPECT_EQ(digest_of(DType::kU4, false), 3444976627367861760u);
  EXPECT_EQ(digest_of(DType::kU4, true), 6689289586787484011u);
  EXPECT_EQ(digest_of(DType::kF4E2M1, false), 87004436901272106u);
  EXPECT_EQ(digest_of(DType::kF4E2M1, true), 14995525680156665707u);
}

}  // namespace
}  // namespace switchyard::kernels
