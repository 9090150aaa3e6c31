// Fragment layouts, held against the index formulas of the PTX manual for each shape.
#include "emulator/ptx/tensor_fragment.h"

#include <gtest/gtest.h>

#include <array>

#include "emulator/ptx/tensor_matrix.h"
#include "tests/emulator/ptx/tensor_fixture.h"

namespace emu {
namespace {

struct Position {
  int row, column;
};

// Element i of lane's A fragment (8-, 16- and 32-bit formats; half-size shapes have half of them).
Position APosition(int bytes, int lane, int i) {
  const int group = lane >> 2;
  const int thread = lane % 4;
  if (bytes == 2) {
    const bool upper = i < 2 || (i >= 4 && i < 6);
    return {upper ? group : group + 8, thread * 2 + (i & 1) + (i >= 4 ? 8 : 0)};
  }
  if (bytes == 1) {
    const bool upper = i < 4 || (i >= 8 && i < 12);
    return {upper ? group : group + 8, thread * 4 + (i & 3) + (i >= 8 ? 16 : 0)};
  }
  return {i == 0 || i == 2 ? group : group + 8, i < 2 ? thread : thread + 4};
}

Position BPosition(int bytes, int lane, int i) {
  const int group = lane >> 2;
  const int thread = lane % 4;
  if (bytes == 2) return {thread * 2 + (i & 1) + (i >= 2 ? 8 : 0), group};
  if (bytes == 1) return {thread * 4 + (i & 3) + (i >= 4 ? 16 : 0), group};
  return {thread + 4 * i, group};
}

Position CPosition(int lane, int i) {
  return {i < 2 ? lane >> 2 : (lane >> 2) + 8, (lane % 4) * 2 + (i & 1)};
}

struct Fragment {
  std::vector<std::array<uint32_t, 32>> registers;
  std::vector<const uint32_t*> pointers;

  explicit Fragment(int count) : registers(count) {
    for (auto& r : registers) r.fill(0);
    for (auto& r : registers) pointers.push_back(r.data());
  }
  void Set(int bytes, int lane, int i, uint32_t bits) {
    const int per_register = 4 / bytes;
    registers[i / per_register][lane] |= bits << (i % per_register * bytes * 8);
  }
};

TEST(TensorFragment, ProductsOfAllMmaShapes) {
  std::mt19937 random(1);
  for (const Format format : kAllFormats) {
    const int bytes = TraitsOf(format).bytes;
    for (const int registers : {1, 2}) {  // of B
      const int k = registers * 16 / bytes;
      int a[16][32], b[32][8];
      for (auto& row : a) {
        for (int& v : row) v = static_cast<int>(random() % 9) - 4;
      }
      for (auto& row : b) {
        for (int& v : row) v = static_cast<int>(random() % 9) - 4;
      }
      Fragment fa(2 * registers), fb(registers);
      for (int lane = 0; lane < 32; ++lane) {
        for (int i = 0; i < 2 * registers * 4 / bytes; ++i) {
          const Position p = APosition(bytes, lane, i);
          fa.Set(bytes, lane, i, EncodeSmall(format, a[p.row][p.column]));
        }
        for (int i = 0; i < registers * 4 / bytes; ++i) {
          const Position p = BPosition(bytes, lane, i);
          fb.Set(bytes, lane, i, EncodeSmall(format, b[p.row][p.column]));
        }
      }
      PackedA packed_a;
      PackedB packed_b;
      PackFragmentA(format, fa.pointers.data(), 2 * registers, 1, &packed_a);
      PackFragmentB(format, fb.pointers.data(), registers, &packed_b);
      for (const bool h100 : {false, true}) {
        float d[4][32] = {};
        float* const pointers[4] = {d[0], d[1], d[2], d[3]};
        RunMac(h100, StepRulesOf(format, format),
               {k, 8, packed_a.values, packed_b.values, pointers});
        for (int lane = 0; lane < 32; ++lane) {
          for (int i = 0; i < 4; ++i) {
            const Position p = CPosition(lane, i);
            int want = 0;
            for (int j = 0; j < k; ++j) want += a[p.row][j] * b[j][p.column];
            ASSERT_EQ(d[i][lane], want) << NameOf(format) << " k " << k << " lane " << lane;
          }
        }
      }
    }
  }
}

TEST(TensorFragment, TheScaleNegatesA) {
  Fragment fa(4);
  fa.Set(2, 0, 0, EncodeSmall(Format::kBf16, 3));
  PackedA packed;
  PackFragmentA(Format::kBf16, fa.pointers.data(), 4, -1, &packed);
  EXPECT_EQ(packed.values[0], -3);
}

TEST(TensorMatrix, LanesHoldNeighboursOfOneRowOrColumn) {
  Matrix matrix;
  for (int i = 0; i < 8; ++i) {
    for (int j = 0; j < 8; ++j) matrix.values[i][j] = static_cast<uint16_t>(i * 16 + j);
  }
  uint32_t lanes[32];
  MatrixToLanes(matrix, false, lanes);
  EXPECT_EQ(lanes[0], 0x00010000u);
  EXPECT_EQ(lanes[7], 0x00170016u);  // row 1, columns 6 and 7
  MatrixToLanes(matrix, true, lanes);
  EXPECT_EQ(lanes[0], 0x00100000u);
  EXPECT_EQ(lanes[7], 0x00710061u);  // column 1, rows 6 and 7
}

TEST(TensorMatrix, StoringUndoesLoading) {
  std::mt19937 random(2);
  for (const bool transposed : {false, true}) {
    Matrix matrix, back;
    for (auto& row : matrix.values) {
      for (uint16_t& v : row) v = static_cast<uint16_t>(random());
    }
    uint32_t lanes[32];
    MatrixToLanes(matrix, transposed, lanes);
    LanesToMatrix(lanes, transposed, &back);
    EXPECT_EQ(std::memcmp(&matrix, &back, sizeof(Matrix)), 0);
  }
}

}  // namespace
}  // namespace emu
