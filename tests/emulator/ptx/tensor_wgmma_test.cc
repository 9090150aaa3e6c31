// wgmma over every layout a descriptor can name. Operands are laid out by the definition of the
// canonical layouts (nested shapes and strides in 16-byte units, then the swizzle of address bits),
// not by the engine's functions.
#include "emulator/ptx/tensor_wgmma.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/emulator/ptx/tensor_fixture.h"

namespace emu {
namespace {

constexpr uint32_t kSharedBytes = 160 * 1024;

struct Layout {
  int swizzle;  // as in the descriptor: 0 none, 1 128, 2 64, 3 32 bytes
  bool mn_major;
};

int SpanOf(int swizzle) { return swizzle == 1 ? 128 : swizzle == 2 ? 64 : swizzle == 3 ? 32 : 16; }

uint64_t Descriptor(uint32_t start, uint32_t leading, uint32_t stride, int swizzle) {
  return uint64_t{start >> 4} | uint64_t{leading >> 4} << 16 | uint64_t{stride >> 4} << 32 |
         static_cast<uint64_t>(swizzle) << 62;
}

// The byte offset of element (mn, k) of a [rows, k] operand, before the start address.
struct Placement {
  Layout layout;
  int bytes;
  uint32_t leading, stride;

  uint32_t Linear(int mn, int k) const {
    const uint32_t span = static_cast<uint32_t>(SpanOf(layout.swizzle));
    if (!layout.mn_major) {
      const auto byte = static_cast<uint32_t>(k * bytes);
      const uint32_t row =
          static_cast<uint32_t>(mn % 8) * span + static_cast<uint32_t>(mn / 8) * stride;
      return layout.swizzle == 0 ? row + byte % 16 + byte / 16 * leading : row + byte;
    }
    const uint32_t per_span = span / static_cast<uint32_t>(bytes);
    const uint32_t block = static_cast<uint32_t>(mn) / per_span;
    const uint32_t inside = static_cast<uint32_t>(mn) % per_span * static_cast<uint32_t>(bytes);
    const uint32_t depth = static_cast<uint32_t>(k % 8) * span;
    const auto group = static_cast<uint32_t>(k / 8);
    return layout.swizzle == 0 ? inside + depth + block * stride + group * leading
                               : inside + depth + block * leading + group * stride;
  }
};

uint32_t Swizzled(uint32_t address, int swizzle) {
  if (swizzle == 1) return address ^ (address >> 7 & 7) << 4;
  if (swizzle == 2) return address ^ (address >> 7 & 3) << 4;
  if (swizzle == 3) return address ^ (address >> 7 & 1) << 4;
  return address;
}

struct Operand {
  std::vector<int> values;  // [rows, k]
  uint64_t descriptor;
};

Operand PlaceOperand(std::vector<std::byte>& shared, uint32_t start, Format format, Layout layout,
                     int rows, int k, std::mt19937& random) {
  const int bytes = TraitsOf(format).bytes;
  const auto span = static_cast<uint32_t>(SpanOf(layout.swizzle));
  Placement place{layout, bytes, 16, 8 * span};
  // Distances with room to spare, to tell the two offsets apart.
  if (layout.mn_major) {
    place.leading = layout.swizzle == 0 ? 8192 : (2 * 8 * span + 1023) / 1024 * 1024 + 1024;
    place.stride = layout.swizzle == 0 ? 256 : 8 * span;
  } else if (layout.swizzle == 0) {
    place.leading = 128;
    place.stride = 256 + 128;
  }
  Operand operand{{}, Descriptor(start, place.leading, place.stride, layout.swizzle)};
  for (int mn = 0; mn < rows; ++mn) {
    for (int depth = 0; depth < k; ++depth) {
      const int value = static_cast<int>(random() % 7) - 3;
      operand.values.push_back(value);
      const uint32_t bits = EncodeSmall(format, value);
      std::memcpy(shared.data() + Swizzled(start + place.Linear(mn, depth), layout.swizzle), &bits,
                  static_cast<size_t>(bytes));
    }
  }
  return operand;
}

struct Accumulators {
  std::vector<std::vector<float>> values;  // [4 n / 2]
  std::array<std::vector<float*>, 4> pointers;
  std::array<float* const*, 4> d;

  explicit Accumulators(int n) : values(2 * n, std::vector<float>(32, 1.0F)) {
    for (int w = 0; w < 4; ++w) {
      for (int r = 0; r < n / 2; ++r) pointers[w].push_back(values[w * n / 2 + r].data());
      d[w] = pointers[w].data();
    }
  }
  float At(int row, int column) const {
    const int reg = column / 8 * 4 + row % 16 / 8 * 2 + column % 2;
    return pointers[row / 16][reg][row % 8 * 4 + column % 8 / 2];
  }
};

void ExpectProduct(const WgmmaShape& shape, const Operand& a, const Operand& b, bool add,
                   const Accumulators& got, const std::string& what) {
  for (int row = 0; row < 64; ++row) {
    for (int column = 0; column < shape.n; ++column) {
      int want = add ? 1 : 0;
      for (int k = 0; k < shape.k; ++k) {
        want += static_cast<int>(shape.scale) * a.values[row * shape.k + k] *
                b.values[column * shape.k + k];
      }
      ASSERT_EQ(got.At(row, column), want) << what << " at " << row << ", " << column;
    }
  }
}

WgmmaShape ShapeOf(Format format, int n) {
  WgmmaShape shape;
  shape.a_format = shape.b_format = format;
  shape.rules = StepRulesOf(format, format);
  shape.n = n;
  shape.k = 32 / TraitsOf(format).bytes;
  return shape;
}

void RunOnce(const WgmmaShape& shape, const std::vector<std::byte>& shared, const Operand& a,
             const Operand& b, bool add, bool h100, const std::string& what) {
  WgmmaOperands operands;
  operands.a_descriptor = a.descriptor;
  operands.b_descriptor = b.descriptor;
  operands.add = add;
  operands.h100 = h100;
  std::vector<uint32_t> chunks;
  ASSERT_EQ(ListOperands(shape, operands, kSharedBytes, &chunks), "") << what;
  Accumulators d(shape.n);
  RunWgmma(shape, operands, shared.data(), chunks, d.d);
  ExpectProduct(shape, a, b, add, d, what);
}

TEST(TensorWgmma, EveryFormatLayoutAndWidth) {
  std::mt19937 random(1);
  std::vector<std::byte> shared(kSharedBytes);
  for (const Format format : kAllFormats) {
    for (int swizzle_a = 0; swizzle_a < 4; ++swizzle_a) {
      for (int swizzle_b = 0; swizzle_b < 4; ++swizzle_b) {
        for (int majors = 0; majors < (TraitsOf(format).bytes == 2 ? 4 : 1); ++majors) {
          WgmmaShape shape = ShapeOf(format, random() % 2 == 0 ? 8 * (1 + random() % 32) : 64);
          shape.a_mn_major = (majors & 1) != 0;
          shape.b_mn_major = (majors & 2) != 0;
          shape.scale = random() % 2 == 0 ? 1.0F : -1.0F;
          const Operand a = PlaceOperand(shared, 1024, format, {swizzle_a, shape.a_mn_major}, 64,
                                         shape.k, random);
          const Operand b = PlaceOperand(shared, 48 * 1024, format, {swizzle_b, shape.b_mn_major},
                                         shape.n, shape.k, random);
          const std::string what = NameOf(format) + " swizzles " + std::to_string(swizzle_a) +
                                   std::to_string(swizzle_b) + " majors " + std::to_string(majors) +
                                   " n " + std::to_string(shape.n);
          RunOnce(shape, shared, a, b, random() % 2 == 0, random() % 2 == 0, what);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST(TensorWgmma, AStepAlongKInsideASwizzledRowIsAnAddition) {
  std::mt19937 random(2);
  std::vector<std::byte> shared(kSharedBytes);
  const Format format = Format::kE4m3;
  WgmmaShape shape = ShapeOf(format, 32);
  const Operand a = PlaceOperand(shared, 0, format, {1, false}, 64, 128, random);
  const Operand b = PlaceOperand(shared, 32 * 1024, format, {1, false}, 32, 128, random);
  Accumulators d(32);
  for (int step = 0; step < 4; ++step) {
    WgmmaOperands operands;
    operands.a_descriptor = a.descriptor + static_cast<uint64_t>(step * 2);
    operands.b_descriptor = b.descriptor + static_cast<uint64_t>(step * 2);
    operands.add = step > 0;
    std::vector<uint32_t> chunks;
    ASSERT_EQ(ListOperands(shape, operands, kSharedBytes, &chunks), "");
    RunWgmma(shape, operands, shared.data(), chunks, d.d);
  }
  shape.k = 128;
  ExpectProduct(shape, a, b, false, d, "four steps");
}

TEST(TensorWgmma, ARegisterOperand) {
  std::mt19937 random(3);
  std::vector<std::byte> shared(kSharedBytes);
  for (const Format format : kAllFormats) {
    const int bytes = TraitsOf(format).bytes;
    const int e_count = 4 / bytes;
    WgmmaShape shape = ShapeOf(format, 40);
    shape.a_in_registers = true;
    const Operand b = PlaceOperand(shared, 0, format, {1, false}, 40, shape.k, random);
    Operand a{std::vector<int>(64 * shape.k), 0};
    std::array<std::array<std::array<uint32_t, kMacLanes>, 4>, kWgmmaWarps> registers = {};
    for (int row = 0; row < 64; ++row) {
      for (int k = 0; k < shape.k; ++k) {
        const int value = static_cast<int>(random() % 7) - 3;
        a.values[row * shape.k + k] = value;
        const int reg = row % 16 / 8 + k / (4 * e_count) * 2;
        const int lane = row % 8 * 4 + k % (4 * e_count) / e_count;
        registers[row / 16][reg][lane] |= EncodeSmall(format, value) << (k % e_count * bytes * 8);
      }
    }
    WgmmaOperands operands;
    operands.b_descriptor = b.descriptor;
    operands.a_registers = &registers;
    std::vector<uint32_t> chunks;
    ASSERT_EQ(ListOperands(shape, operands, kSharedBytes, &chunks), "");
    EXPECT_EQ(chunks.size(), 80u);
    Accumulators d(40);
    RunWgmma(shape, operands, shared.data(), chunks, d.d);
    ExpectProduct(shape, a, b, true, d, NameOf(format));
  }
}

TEST(TensorWgmma, BadDescriptorsAreNamed) {
  const WgmmaShape shape = ShapeOf(Format::kBf16, 64);
  WgmmaOperands operands;
  operands.a_descriptor = Descriptor(0, 16, 1024, 1);
  const auto wrong = [&](uint64_t b) {
    operands.b_descriptor = b;
    std::vector<uint32_t> chunks;
    return ListOperands(shape, operands, kSharedBytes, &chunks);
  };
  EXPECT_EQ(wrong(Descriptor(8192, 16, 1024, 1)), "");
  EXPECT_EQ(wrong(Descriptor(8192 + 96, 16, 1024, 1)), "");
  EXPECT_NE(wrong(Descriptor(8192 + 128, 16, 1024, 1)).find("inside its 128-byte"),
            std::string::npos);
  EXPECT_NE(wrong(Descriptor(8192 + 256, 16, 512, 2)).find("inside its 64-byte"),
            std::string::npos);
  EXPECT_EQ(wrong(Descriptor(8192 + 256, 16, 256, 3)), "");
  EXPECT_EQ(wrong(Descriptor(8192 + 128, 128, 256, 0)), "");
  EXPECT_NE(wrong(Descriptor(0, 16, 1024, 1) | uint64_t{1} << 49).find("base offset"),
            std::string::npos);
  EXPECT_NE(wrong(Descriptor(0, 16, 1024, 1) | uint64_t{1} << 46).find("must be zero"),
            std::string::npos);
  EXPECT_NE(wrong(Descriptor(kSharedBytes - 4096, 16, 1024, 1)).find("reaches byte"),
            std::string::npos);
}

}  // namespace
}  // namespace emu
