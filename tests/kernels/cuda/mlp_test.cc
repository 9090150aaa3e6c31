// SwiGLU blocks, experts and batched products on a GPU: many weights in one launch, and each row
// as if it were alone.
#include <cmath>

#include "kernels/cuda/linear_matrix.h"
#include "tests/kernels/cuda/cuda_linear_fixture.h"
#include "tests/kernels/reference/linear_reference.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::Close;
using switchyard::testing::SameBits;

class CudaMlp : public CudaLinearTest {
 protected:
  std::vector<float> GateUp(const PackedLinear& weight, std::span<const float> x,
                            DType y_dtype = DType::kBf16) {
    const int64_t rows = static_cast<int64_t>(x.size()) / weight.k();
    const TensorView y = Make(y_dtype, {rows, weight.n()});
    cuda::GateUp(cuda_, {.x = Put(DType::kBf16, {rows, weight.k()}, x), .weight = &weight, .y = y});
    return Get(y);
  }

  Buffer CopyOf(const Buffer& from) {
    std::vector<std::byte> bytes(static_cast<size_t>(from.num_bytes()));
    cuda_.device.CopyToHost(bytes.data(), from.data(), from.num_bytes());
    Buffer copy = cuda_.device.Allocate(from.num_bytes());
    cuda_.device.CopyToDevice(copy.data(), bytes.data(), from.num_bytes());
    return copy;
  }

  MlpWeights MakeMlp(int64_t hidden, int64_t width, uint32_t seed, int64_t down_shards) {
    const TestWeight gate(dtype(), width, hidden, seed), up(dtype(), width, hidden, seed + 1);
    const TestWeight down(dtype(), hidden, width, seed + 2);
    LinearSource down_source = down.Whole(compute());
    down_source.k_shards = down_shards;
    return {.gate_up = cuda::PackGateUp(cuda_, gate.Whole(compute()), up.Whole(compute())),
            .down = Pack(down_source)};
  }
};

TEST_P(CudaMlp, GateUpAgreesWithDoublePrecision) {
  for (const auto& [n, k] : {std::pair{1, 5}, {17, 130}, {96, 256}, {250, 64}}) {
    const TestWeight gate(dtype(), n, k, 1), up(dtype(), n, k, 2);
    for (const int64_t shards : {1, 2}) {
      if (k % shards != 0) continue;
      LinearSource gate_source = gate.Whole(compute()), up_source = up.Whole(compute());
      gate_source.k_shards = up_source.k_shards = shards;
      const auto packed = cuda::PackGateUp(cuda_, gate_source, up_source);
      for (const int64_t rows : {1, 7, 34}) {
        const std::vector<float> x = RandomBf16(rows * k, 3, 0.1f);
        const std::vector<float> got = GateUp(*packed, x, DType::kF32);
        const reference::Sums want =
            reference::GateUp(gate_source, up_source, {.x = x, .rows = rows});
        EXPECT_TRUE(Close({.got = got,
                           .want = want.value,
                           .magnitude = want.magnitude,
                           .columns = n,
                           .num_terms = k,
                           .epsilon = Epsilon()}))
            << n << " x " << k << ", " << rows << " rows, " << shards << " shards";
      }
    }
  }
}

TEST_P(CudaMlp, EveryGateFunctionAndItsBiasesAgreeWithDoublePrecision) {
  constexpr int64_t kN = 50, kK = 130, kRows = 7;
  const TestWeight gate(dtype(), kN, kK, 41), up(dtype(), kN, kK, 42);
  const std::vector<float> gate_bias = RandomRows(kN, 43), up_bias = RandomRows(kN, 44);
  const std::vector<float> x = RandomBf16(kRows * kK, 45, 0.2f);
  for (const Gating gating :
       {Gating{}, {GateFunction::kGeluTanh}, {GateFunction::kClampedSwiglu, 1.5f}}) {
    for (const int64_t shards : {1, 2}) {
      const auto part = [&](const TestWeight& weight, const std::vector<float>& bias) {
        LinearSource source = weight.Whole(compute());
        source.bias = TensorView(bias.data(), DType::kF32, {kN});
        source.gating = gating;
        source.k_shards = shards;
        return source;
      };
      const LinearSource gate_source = part(gate, gate_bias), up_source = part(up, up_bias);
      const auto packed = cuda::PackGateUp(cuda_, gate_source, up_source);
      const std::vector<float> got = GateUp(*packed, x, DType::kF32);
      const reference::Sums want =
          reference::GateUp(gate_source, up_source, {.x = x, .rows = kRows});
      EXPECT_TRUE(Close({.got = got,
                         .want = want.value,
                         .magnitude = want.magnitude,
                         .columns = kN,
                         .num_terms = kK,
                         .epsilon = Epsilon()}))
          << static_cast<int>(gating.function) << ", " << shards << " shards";
      PackedForm form{.source = gate_source, .gate_up = true, .bias = true};
      form.source.weight.data = nullptr;
      form.source.scales = form.source.bias = {};
      const auto restored = cuda::Restore(form, CopyOf(packed->memory()));
      ASSERT_TRUE(restored.ok()) << restored.status();
      EXPECT_EQ(GateUp(**restored, x, DType::kF32), got) << "restored from its memory";
      EXPECT_FALSE(cuda::Restore(form, cuda_.device.Allocate(packed->num_bytes() - 256)).ok());
    }
  }
}

TEST_P(CudaMlp, GateAndUpMayHaveScalesOfDifferentBlocks) {
  // Slices that begin at rows of which neither is a border of a tile.
  const TestWeight gate(dtype(), 300, 160, 5), up(dtype(), 300, 160, 6);
  const LinearSource gate_source = gate.Slice(compute(), 101, 70, 0, 160);
  const LinearSource up_source = up.Slice(compute(), 40, 70, 0, 160);
  const std::vector<float> x = RandomBf16(3 * 160, 7, 0.1f);
  const std::vector<float> got =
      GateUp(*cuda::PackGateUp(cuda_, gate_source, up_source), x, DType::kF32);
  const reference::Sums want = reference::GateUp(gate_source, up_source, {.x = x, .rows = 3});
  EXPECT_TRUE(Close({.got = got,
                     .want = want.value,
                     .magnitude = want.magnitude,
                     .columns = 70,
                     .num_terms = 160,
                     .epsilon = Epsilon()}));
}

TEST_P(CudaMlp, AnExpertsRowsDependOnTheirTokensAlone) {
  constexpr int64_t kHidden = 72;
  std::vector<MlpWeights> mlps;
  for (const int64_t width : {40, 130, 16, 96}) {
    // One of them in virtual shards, beside others that are not.
    mlps.push_back(MakeMlp(kHidden, width, 10 + static_cast<uint32_t>(width), width == 96 ? 4 : 1));
  }
  const std::vector<const MlpWeights*> experts = {&mlps[0], &mlps[1], &mlps[2], &mlps[3]};
  const std::vector<int32_t> offsets = {0, 1, 34, 34, 40};  // one row, many, none, some
  const std::vector<float> x = RandomBf16(40 * kHidden, 4);
  const TensorView y = Make(DType::kBf16, {40, kHidden});
  cuda::GroupedMlp(cuda_,
                   {.x = PutBf16({40, kHidden}, x), .offsets = offsets, .mlps = experts, .y = y});
  const std::vector<float> got = Get(y);
  for (size_t expert = 0; expert < experts.size(); ++expert) {
    const int64_t begin = offsets[expert], rows = offsets[expert + 1] - begin;
    if (rows == 0) continue;
    for (int64_t row = begin; row < begin + rows; row += 5) {
      const std::vector<float> hidden =
          GateUp(*mlps[expert].gate_up, std::span(x).subspan(row * kHidden, kHidden));
      const std::vector<float> alone = Linear(*mlps[expert].down, hidden, DType::kBf16);
      EXPECT_TRUE(SameBits(std::span(got).subspan(row * kHidden, kHidden), alone, kHidden))
          << expert << ' ' << row;
    }
  }
}

// Where both halves are of e4m3, the first half's launch quantises what the second reads: columns
// of several row tiles and blocks share a scale, and counters are ready for the next launch.
TEST_P(CudaMlp, RowsBetweenTheHalvesHaveTheBitsOfTwoOps) {
  constexpr int64_t kHidden = 136;
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  cuda::CudaDevice narrow(0, 1, stream);
  cuda::CudaContext busy(narrow);
  std::vector<MlpWeights> mlps;
  for (const int64_t width : {32, 100, 260, 256, 7}) {
    mlps.push_back(MakeMlp(kHidden, width, static_cast<uint32_t>(width), width == 256 ? 2 : 1));
  }
  const std::vector<const MlpWeights*> experts = {&mlps[0], &mlps[1], &mlps[2], &mlps[3], &mlps[4]};
  const int64_t many = 140;
  for (const std::vector<int32_t>& offsets :
       {std::vector<int32_t>{0, 1, 10, static_cast<int32_t>(10 + many),
                             static_cast<int32_t>(15 + many), static_cast<int32_t>(15 + many)},
        {0, 0, 0, 1, 4, 5}}) {
    const int64_t rows = offsets.back();
    const TensorView x = PutBf16({rows, kHidden}, RandomBf16(rows * kHidden, 4));
    for (const bool ue8m0 : {false, true}) {
      const TensorView want = Make(DType::kBf16, {rows, kHidden});
      const TensorView got = Make(DType::kBf16, {rows, kHidden});
      const TensorView got_busy = Make(DType::kBf16, {rows, kHidden});
      for (size_t i = 0; i < experts.size(); ++i) {
        const int64_t begin = offsets[i], count = offsets[i + 1] - begin;
        if (count == 0) continue;
        const TensorView hidden = Make(DType::kBf16, {count, experts[i]->gate_up->n()});
        cuda::GateUp(cuda_, {.x = x.Rows(begin, count),
                             .weight = experts[i]->gate_up.get(),
                             .y = hidden,
                             .ue8m0_scales = ue8m0});
        cuda::Linear(cuda_, {.x = hidden,
                             .weight = experts[i]->down.get(),
                             .y = want.Rows(begin, count),
                             .ue8m0_scales = ue8m0});
      }
      GroupedMlpArgs args{
          .x = x, .offsets = offsets, .mlps = experts, .y = got, .ue8m0_scales = ue8m0};
      cuda::GroupedMlp(cuda_, args);
      device_->Synchronize();
      args.y = got_busy;
      cuda::GroupedMlp(busy, args);
      narrow.Synchronize();
      EXPECT_TRUE(SameBits(Get(got), Get(want), kHidden)) << rows << ' ' << ue8m0;
      EXPECT_TRUE(SameBits(Get(got_busy), Get(want), kHidden)) << rows << ' ' << ue8m0;
    }
  }
}

TEST_P(CudaMlp, ManyExpertsFindTheirRows) {
  constexpr int64_t kHidden = 64, kExperts = 40, kRows = 70;
  std::vector<MlpWeights> mlps;
  std::vector<const MlpWeights*> experts;
  mlps.push_back(MakeMlp(kHidden, 32, 50, 1));
  mlps.push_back(MakeMlp(kHidden, 48, 60, 1));
  std::vector<int32_t> offsets = {0};
  for (int64_t expert = 0; expert < kExperts; ++expert) {
    experts.push_back(&mlps[expert % 2]);
    offsets.push_back(static_cast<int32_t>(kRows * (expert + 1) / kExperts));
  }
  const std::vector<float> x = RandomBf16(kRows * kHidden, 4);
  const TensorView y = Make(DType::kBf16, {kRows, kHidden});
  cuda::GroupedMlp(
      cuda_, {.x = PutBf16({kRows, kHidden}, x), .offsets = offsets, .mlps = experts, .y = y});
  const std::vector<float> got = Get(y);
  std::vector<float> alone[2];  // all rows by one expert
  for (int which = 0; which < 2; ++which) {
    alone[which] = Linear(*mlps[which].down, GateUp(*mlps[which].gate_up, x), DType::kBf16);
  }
  for (int64_t expert = 0; expert < kExperts; ++expert) {
    const int64_t begin = offsets[expert] * kHidden, end = offsets[expert + 1] * kHidden;
    EXPECT_TRUE(SameBits(std::span(got).subspan(begin, end - begin),
                         std::span(alone[expert % 2]).subspan(begin, end - begin), kHidden))
        << expert;
  }
}

TEST_P(CudaMlp, ExpertsOfSeveralArithmeticsMeetInOneOp) {
  constexpr int64_t kHidden = 64, kWidth = 40;
  std::vector<MlpWeights> mlps;
  mlps.push_back(MakeMlp(kHidden, kWidth, 70, 1));
  const TestWeight gate(DType::kBf16, kWidth, kHidden, 71), down(DType::kBf16, kHidden, kWidth, 72);
  mlps.push_back(
      {.gate_up = cuda::PackGateUp(cuda_, gate.Whole(Compute::kBf16), gate.Whole(Compute::kBf16)),
       .down = Pack(down.Whole(Compute::kBf16))});
  const std::vector<const MlpWeights*> experts = {&mlps[0], &mlps[1], &mlps[0]};
  const std::vector<int32_t> offsets = {0, 3, 5, 9};
  const std::vector<float> x = RandomBf16(9 * kHidden, 4);
  const TensorView y = Make(DType::kBf16, {9, kHidden});
  cuda::GroupedMlp(cuda_,
                   {.x = PutBf16({9, kHidden}, x), .offsets = offsets, .mlps = experts, .y = y});
  const std::vector<float> got = Get(y);
  for (int64_t row = 0; row < 9; ++row) {
    const MlpWeights& mlp = row >= 3 && row < 5 ? mlps[1] : mlps[0];
    const std::vector<float> hidden =
        GateUp(*mlp.gate_up, std::span(x).subspan(row * kHidden, kHidden));
    EXPECT_TRUE(SameBits(std::span(got).subspan(row * kHidden, kHidden),
                         Linear(*mlp.down, hidden, DType::kBf16), kHidden))
        << row;
  }
}

TEST_P(CudaMlp, BatchedLinearIsOneLinearPerHead) {
  constexpr int64_t kRows = 9, kHeads = 5, kN = 48, kK = 136, kWide = 150;
  std::vector<std::unique_ptr<PackedLinear>> weights;
  std::vector<const PackedLinear*> heads;
  for (uint32_t head = 0; head < kHeads; ++head) {
    weights.push_back(Pack(TestWeight(dtype(), kN, kK, head).Whole(compute())));
    heads.push_back(weights.back().get());
  }
  const std::vector<float> x = RandomBf16(kRows * kHeads * kWide, 5);
  for (const int64_t head_stride : {kK, kWide}) {  // close together, or parts of wider heads
    TensorView rows = PutBf16({kRows, kHeads, kWide}, x);
    rows.dims[2] = kK;
    const TensorView y = Make(DType::kBf16, {kRows, kHeads, kN});
    cuda::BatchedLinear(cuda_, {.x = rows,
                                .x_batch_stride = head_stride == kK ? 0 : head_stride,
                                .weights = heads,
                                .y = y});
    const std::vector<float> got = Get(y);
    for (int64_t i = 0; i < kRows * kHeads; ++i) {
      const int64_t begin = i / kHeads * kHeads * kWide + i % kHeads * head_stride;
      const std::vector<float> alone =
          Linear(*heads[i % kHeads], std::span(x).subspan(begin, kK), DType::kBf16);
      EXPECT_TRUE(SameBits(std::span(got).subspan(i * kN, kN), alone, kN)) << i;
    }
  }
}

// A device with one processor is busy at once: its blocks become as large as they can, take piece
// after piece and walk all parts of K.
TEST_P(CudaMlp, LargeBlocksGiveTheBitsOfSmallOnes) {
  constexpr int64_t kK = 264, kN = 150;
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  cuda::CudaDevice narrow(0, 1, stream);
  cuda::CudaContext busy(narrow);
  const int64_t most = 140;
  const std::vector<float> x = RandomBf16(most * kK, 81);
  const TensorView all = PutBf16({most, kK}, x);
  const TestWeight weight(dtype(), kN, kK, 80);
  for (const int64_t shards : {1, 8}) {
    LinearSource source = weight.Whole(compute());
    source.k_shards = shards;
    const auto linear = Pack(source);
    const auto gate_up = cuda::PackGateUp(cuda_, source, source);
    std::vector<float> want, want_gated;
    for (int64_t row = 0; row < most; row += 10) {
      const auto rows = std::span(x).subspan(row * kK, 10 * kK);
      for (const float value : Linear(*linear, rows, DType::kBf16)) want.push_back(value);
      for (const float value : GateUp(*gate_up, rows)) want_gated.push_back(value);
    }
    for (const int64_t rows : {8, 20, 40, 70, 140}) {
      if (rows > most) break;
      const TensorView y = Make(DType::kBf16, {rows, kN}), gated = Make(DType::kBf16, {rows, kN});
      device_->Synchronize();  // the other device's stream waits for nothing
      cuda::Linear(busy, {.x = all.Rows(0, rows), .weight = linear.get(), .y = y});
      cuda::GateUp(busy, {.x = all.Rows(0, rows), .weight = gate_up.get(), .y = gated});
      narrow.Synchronize();
      EXPECT_TRUE(SameBits(Get(y), std::span(want).first(rows * kN), kN))
          << rows << " rows, " << shards << " shards";
      EXPECT_TRUE(SameBits(Get(gated), std::span(want_gated).first(rows * kN), kN))
          << rows << " rows, " << shards << " shards";
    }
  }
}

TEST_P(CudaMlp, ABusyDeviceWalksExpertsOneAfterTheOther) {
  constexpr int64_t kHidden = 72, kRows = 60;
  cudaStream_t stream = nullptr;
  ASSERT_EQ(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), cudaSuccess);
  cuda::CudaDevice narrow(0, 1, stream);
  cuda::CudaContext busy(narrow);
  std::vector<MlpWeights> mlps;
  for (const int64_t width : {40, 130, 32}) {
    mlps.push_back(MakeMlp(kHidden, width, static_cast<uint32_t>(width), width == 130 ? 1 : 4));
  }
  const std::vector<const MlpWeights*> experts = {&mlps[0], &mlps[1], &mlps[2]};
  const std::vector<int32_t> offsets = {0, 5, 50, kRows};
  const TensorView x = PutBf16({kRows, kHidden}, RandomBf16(kRows * kHidden, 4));
  const TensorView y = Make(DType::kBf16, {kRows, kHidden});
  const TensorView y_busy = Make(DType::kBf16, {kRows, kHidden});
  cuda::GroupedMlp(cuda_, {.x = x, .offsets = offsets, .mlps = experts, .y = y});
  device_->Synchronize();
  cuda::GroupedMlp(busy, {.x = x, .offsets = offsets, .mlps = experts, .y = y_busy});
  narrow.Synchronize();
  EXPECT_TRUE(SameBits(Get(y_busy), Get(y), kHidden));
}

INSTANTIATE_TEST_SUITE_P(All, CudaMlp, ::testing::ValuesIn(kFloatModes), NameOfMode);

}  // namespace
}  // namespace switchyard::kernels
