// Activations on their way into a product: the bits that kernels/dtype.h and MODEL_SPECS 1.7 say,
// at the places where tensor cores look for them.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernels/cuda/gemm.h"
#include "kernels/cuda/linear.h"
#include "kernels/cuda/linear_matrix.h"
#include "tests/kernels/cuda/cuda_linear_fixture.h"
#include "tests/kernels/reference/linear_reference.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using cuda::KTile;
using switchyard::testing::SameBits;

class CudaQuantise : public CudaTest {
 protected:
  struct Converted {
    std::vector<uint8_t> atoms;
    std::vector<float> scales;
    int64_t num_atoms = 0;

    // 16-byte chunk by chunk, as a reader of row `row` finds them.
    uint8_t ByteOf(int64_t tile, int64_t row, int64_t byte) const {
      const int64_t atom = tile * num_atoms + row / cuda::kAtomRows;
      const int place =
          cuda::SwizzledChunk(static_cast<int>(row % cuda::kAtomRows), static_cast<int>(byte / 16));
      return atoms[static_cast<size_t>(atom * cuda::kAtomBytes + place + byte % 16)];
    }
  };

  Converted Convert(const PackedLinear& packed, const TensorView& x, bool ue8m0) {
    const auto& matrix = static_cast<const cuda::LinearMatrix&>(packed);
    const cuda::GemmWeight& weight = matrix.weight();
    Converted to{.num_atoms = (x.rows() + cuda::kAtomRows - 1) / cuda::kAtomRows};
    const TensorView atoms =
        Make(DType::kF8E4M3, {weight.k_tiles, to.num_atoms * cuda::kAtomBytes});
    const TensorView scales = Make(DType::kF32, {weight.k_tiles, to.num_atoms * cuda::kAtomRows});
    const cuda::QuantiseJob job{.x = x.row<const __nv_bfloat16>(0),
                                .x_stride = x.row_stride,
                                .rows = static_cast<int32_t>(x.rows()),
                                .ue8m0 = ue8m0,
                                .k_tiles = weight.k_tiles,
                                .tiles = weight.k_tiles_of_x,
                                .k = weight.k,
                                .lead = static_cast<int32_t>(matrix.layout().lead)};
    cuda::Quantise(cuda_, matrix.layout().form, {&job, 1},
                   {.atoms = atoms.row<uint8_t>(0),
                    .scales = scales.row<float>(0),
                    .num_atoms = static_cast<int32_t>(to.num_atoms)});
    to.atoms = GetAs<uint8_t>(atoms);
    to.scales = GetAs<float>(scales);
    return to;
  }
};

float ScaleOf(float amax, bool ue8m0) {
  const float scale = std::max(amax, 1e-4f) / 448.0f;
  return ue8m0 ? std::exp2(std::ceil(std::log2(scale))) : scale;
}

TEST_F(CudaQuantise, CodesAndScalesAreThoseOfTheScalarConversion) {
  constexpr int64_t kRows = 11, kWide = 400, kK = 330, kOffset = 40;
  std::vector<float> x = RandomBf16(kRows * kWide, 1);
  for (int64_t i = 0; i < kWide; ++i) {
    x[2 * kWide + i] = 0;          // its scale is the least
    x[3 * kWide + i] *= 0x1p-20f;  // below the least amax
    x[4 * kWide + i] *= RoundToBf16(std::ldexp(1.0f, static_cast<int>(i % 40) - 20));
  }
  x[5 * kWide + 17] = std::numeric_limits<float>::quiet_NaN();
  x[6 * kWide + 17] = std::numeric_limits<float>::infinity();
  for (float& value : x) value = RoundToBf16(value);
  const TestWeight weight(DType::kF8E4M3, 1, 512, 2);
  LinearSource source = weight.Slice(Compute::kW8A8, 0, 1, kOffset, kK);
  for (const int64_t shards :
       {1, 2}) {  // two: a shard's border cuts a group, which keeps its scale
    source.k_shards = shards;
    const auto packed = cuda::Pack(cuda_, source);
    const auto& tiles = static_cast<const cuda::LinearMatrix&>(*packed).layout().tiles;
    for (const bool ue8m0 : {false, true}) {
      for (const int64_t begin : {8, 9}) {  // aligned to 16 bytes or not
        const TensorView rows = PutBf16({kRows, kWide}, x).Cols(begin, kK);
        const Converted got = Convert(*packed, rows, ue8m0);
        for (int64_t row = 0; row < kRows; ++row) {
          const auto values = std::span(x).subspan(row * kWide + begin, kK);
          const std::vector<float> amax = reference::GroupAmax(values, 1, kK, kOffset);
          for (size_t t = 0; t < tiles.size(); ++t) {
            const float scale = ScaleOf(amax[tiles[t].scale_group], ue8m0);
            EXPECT_EQ(got.scales[t * got.num_atoms * cuda::kAtomRows + row], scale);
            for (int32_t i = 0; i < 128; ++i) {
              const float value = i < tiles[t].columns ? values[tiles[t].column + i] : 0.0f;
              const auto want = static_cast<uint8_t>(ToF8E4M3(value / scale));
              const uint8_t code = got.ByteOf(static_cast<int64_t>(t), row, i);
              const bool both_nan = (want & 0x7f) == 0x7f && (code & 0x7f) == 0x7f;
              ASSERT_TRUE(code == want || both_nan)
                  << "row " << row << " tile " << t << " column " << i << ": " << int{code}
                  << " vs " << int{want};
            }
          }
        }
      }
    }
  }
}

TEST_F(CudaQuantise, RowsOfBf16AreCopiedAndPaddedWithZeros) {
  constexpr int64_t kRows = 13, kK = 150, kWide = 160;
  const std::vector<float> x = RandomBf16(kRows * kWide, 3);
  const TestWeight weight(DType::kBf16, 1, kK, 4);
  const auto packed = cuda::Pack(cuda_, weight.Whole(Compute::kBf16));
  for (const int64_t begin : {0, 3}) {
    const Converted got = Convert(*packed, PutBf16({kRows, kWide}, x).Cols(begin, kK), false);
    for (int64_t row = 0; row < got.num_atoms * cuda::kAtomRows; ++row) {
      for (int64_t column = 0; column < 192; ++column) {
        const int64_t tile = column / 64, byte = column % 64 * 2;
        const auto bits = static_cast<uint16_t>(got.ByteOf(tile, row, byte) |
                                                got.ByteOf(tile, row, byte + 1) << 8);
        const bool real = row < kRows && column < kK;
        const float want = real ? x[row * kWide + begin + column] : 0.0f;
        ASSERT_EQ(ToFloat(static_cast<Bf16>(bits)), want) << row << ' ' << column;
      }
    }
  }
}

TEST_F(CudaQuantise, GroupMaximaCountGroupsFromTheWholeRow) {
  constexpr int64_t kRows = 3, kK = 300;
  const std::vector<float> x = RandomBf16(kRows * kK, 32);
  const TensorView rows = PutBf16({kRows, kK}, x);
  for (const int64_t offset : {0, 1, 96, 128, 250}) {
    const std::vector<float> want = reference::GroupAmax(x, kRows, kK, offset);
    const int64_t groups = static_cast<int64_t>(want.size()) / kRows;
    const TensorView amax = Make(DType::kF32, {kRows, groups});
    cuda::GroupAmax(cuda_, {.x = rows, .col_offset = offset, .amax = amax});
    EXPECT_TRUE(SameBits(Get(amax), want, groups)) << offset;
  }
}

}  // namespace
}  // namespace switchyard::kernels
