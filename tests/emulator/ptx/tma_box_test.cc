// Boxes against a reference that looks at one element at a time.
#include "emulator/ptx/tma_box.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "emulator/ptx/tma_reduce.h"

namespace emu {
namespace {

constexpr uint32_t kSharedBytes = 256 * 1024;

struct Case {
  TensorMap map;
  BoxCoordinates at;
  std::vector<std::byte> global;
  uint32_t offset = 0;  // in shared memory
};

TensorType RandomType(std::mt19937& random) {
  constexpr TensorType kTypes[] = {TensorType::kU8, TensorType::kBf16, TensorType::kF32,
                                   TensorType::kF64};
  return kTypes[random() % 4];
}

// A tensor of random rank, size, padding and box, at coordinates that often leave it.
Case RandomCase(std::mt19937& random) {
  Case result;
  uint64_t dims[5];
  uint64_t strides[4];
  uint32_t box[5];
  uint32_t element_strides[5] = {1, 1, 1, 1, 1};
  TiledArguments arguments;
  arguments.type = RandomType(random);
  arguments.rank = 1 + random() % 5;
  arguments.swizzle = static_cast<TensorSwizzle>(random() % 4);
  if (IsFloatTensorType(arguments.type) && random() % 2 == 0) arguments.fill = TensorFill::kNan;
  const uint32_t element = TensorTypeBytes(arguments.type);
  const uint32_t span = 16u << static_cast<uint32_t>(arguments.swizzle);
  const bool swizzled = arguments.swizzle != TensorSwizzle::kNone;
  box[0] = (swizzled ? span : 16 * (1 + random() % 6)) / element;
  dims[0] = 1 + random() % (3 * box[0]);
  uint64_t bytes = (dims[0] * element + 15) / 16 * 16 + random() % 3 * 16;
  for (uint32_t d = 1; d < arguments.rank; ++d) {
    dims[d] = 1 + random() % 6;
    box[d] = 1 + random() % 5;
    element_strides[d] = 1 + random() % 3;
    strides[d - 1] = bytes;
    bytes *= dims[d] + random() % 2;
  }
  result.global.resize(bytes + 16);
  for (std::byte& b : result.global) b = static_cast<std::byte>(random());
  const auto base = reinterpret_cast<uint64_t>(result.global.data());
  arguments.address = (base + 15) / 16 * 16;
  arguments.dims = dims;
  arguments.strides = strides;
  arguments.box = box;
  arguments.element_strides = element_strides;
  EXPECT_EQ(EncodeTiled(arguments, &result.map), "");
  result.at.at[0] =
      static_cast<int32_t>(random() % (dims[0] + box[0])) - static_cast<int32_t>(box[0] / 2);
  for (uint32_t d = 1; d < arguments.rank; ++d) {
    result.at.at[d] = static_cast<int32_t>(random() % (dims[d] + 4)) - 2;
  }
  result.offset = static_cast<uint32_t>(random() % 64) * 128;
  return result;
}

// Calls visit(shared address after swizzling, global address or 0) for each element of the box.
template <class Visit>
void ForEachElement(const Case& c, Visit visit) {
  const TensorMap& map = c.map;
  const uint32_t element = map.element_bytes();
  uint32_t total = 1;
  for (uint32_t d = 0; d < map.rank; ++d) total *= map.box_elements(d);
  for (uint32_t i = 0; i < total; ++i) {
    uint32_t rest = i;
    uint64_t address = map.address;
    bool in = true;
    for (uint32_t d = 0; d < map.rank; ++d) {
      const int64_t x =
          int64_t{c.at.at[d]} + int64_t{rest % map.box_elements(d)} * map.element_strides[d];
      rest /= map.box_elements(d);
      in = in && x >= 0 && x < static_cast<int64_t>(map.dim(d));
      address += static_cast<uint64_t>(x) * (d == 0 ? element : map.strides[d - 1]);
    }
    uint32_t shared = c.offset + i * element;
    const uint32_t mask = map.swizzle == TensorSwizzle::k128B  ? 7
                          : map.swizzle == TensorSwizzle::k64B ? 3
                          : map.swizzle == TensorSwizzle::k32B ? 1
                                                               : 0;
    shared ^= (shared >> 7 & mask) << 4;
    visit(shared, in ? address : 0);
  }
}

TEST(TmaBox, LoadsFillWhatIsOutOfBounds) {
  std::mt19937 random(1);
  int outside = 0;
  for (int round = 0; round < 600; ++round) {
    const Case c = RandomCase(random);
    ASSERT_EQ(CheckBox(c.map), "");
    std::vector<std::byte> shared(kSharedBytes, std::byte{0xcd});
    std::vector<std::byte> image(c.map.box_bytes());
    GatherGlobal(c.map, c.at, image.data());
    ScatterShared(c.map, image.data(), shared.data(), c.offset);
    const uint32_t element = c.map.element_bytes();
    std::vector<std::byte> want(kSharedBytes, std::byte{0xcd});
    ForEachElement(c, [&](uint32_t to, uint64_t address) {
      if (address != 0) {
        std::memcpy(want.data() + to, reinterpret_cast<const void*>(address), element);
        return;
      }
      ++outside;
      if (c.map.fill == TensorFill::kZero) {
        std::memset(want.data() + to, 0, element);
      } else {  // all ones but the sign: a NaN in f64, f32 and bf16
        std::memset(want.data() + to, 0xff, element);
        want[to + element - 1] = std::byte{0x7f};
      }
    });
    ASSERT_EQ(shared, want) << "round " << round;
  }
  EXPECT_GT(outside, 1000);
}

TEST(TmaBox, StoresLeaveOutWhatIsOutOfBounds) {
  std::mt19937 random(2);
  for (int round = 0; round < 600; ++round) {
    Case c = RandomCase(random);
    std::vector<std::byte> shared(kSharedBytes);
    for (uint32_t i = 0; i < c.map.box_bytes(); ++i) {
      shared[c.offset + i] = static_cast<std::byte>(random());
    }
    std::vector<std::byte> before = c.global;
    std::vector<std::byte> image(c.map.box_bytes());
    GatherShared(c.map, shared.data(), c.offset, image.data());
    ScatterGlobal(c.map, c.at, image.data());
    const uint32_t element = c.map.element_bytes();
    const auto base = reinterpret_cast<uint64_t>(c.global.data());
    ForEachElement(c, [&](uint32_t from, uint64_t address) {
      if (address != 0)
        std::memcpy(before.data() + (address - base), shared.data() + from, element);
    });
    ASSERT_EQ(c.global, before) << "round " << round;
  }
}

TEST(TmaBox, RowsNarrowerThanTheSwizzleAreRefused) {
  std::mt19937 random(3);
  Case c = RandomCase(random);
  c.map.swizzle = TensorSwizzle::k128B;
  c.map.box[0] = static_cast<uint16_t>(64 / c.map.element_bytes());
  EXPECT_NE(CheckBox(c.map).find("narrower"), std::string::npos);
  c.map.magic = 0;
  EXPECT_NE(CheckBox(c.map).find("cuTensorMapEncodeTiled"), std::string::npos);
}

template <class T>
std::vector<T> Reduced(BulkReduction reduction, TensorType type, std::vector<T> memory,
                       const std::vector<T>& values) {
  ReduceElements(reduction, type, reinterpret_cast<std::byte*>(memory.data()),
                 reinterpret_cast<const std::byte*>(values.data()), memory.size() * sizeof(T));
  return memory;
}

TEST(TmaReduce, Arithmetic) {
  using B = BulkReduction;
  using T = TensorType;
  EXPECT_EQ(Reduced<float>(B::kAdd, T::kF32, {1, 2}, {0.5, -3}), (std::vector<float>{1.5, -1}));
  EXPECT_EQ(Reduced<double>(B::kAdd, T::kF64, {1}, {0.25}), (std::vector<double>{1.25}));
  EXPECT_EQ(Reduced<uint32_t>(B::kAdd, T::kU32, {~0u}, {2}), (std::vector<uint32_t>{1}));
  EXPECT_EQ(Reduced<int32_t>(B::kAdd, T::kS32, {std::numeric_limits<int32_t>::max()}, {1}),
            (std::vector<int32_t>{std::numeric_limits<int32_t>::min()}));
  EXPECT_EQ(Reduced<int32_t>(B::kMin, T::kS32, {1, -5}, {-2, 3}), (std::vector<int32_t>{-2, -5}));
  EXPECT_EQ(Reduced<uint32_t>(B::kMin, T::kU32, {1}, {~0u}), (std::vector<uint32_t>{1}));
  EXPECT_EQ(Reduced<int64_t>(B::kMax, T::kS64, {-1}, {-2}), (std::vector<int64_t>{-1}));
  EXPECT_EQ(Reduced<uint64_t>(B::kXor, T::kU64, {6}, {3}), (std::vector<uint64_t>{5}));
  EXPECT_EQ(Reduced<uint32_t>(B::kAnd, T::kU32, {6}, {3}), (std::vector<uint32_t>{2}));
  EXPECT_EQ(Reduced<uint32_t>(B::kOr, T::kU32, {6}, {3}), (std::vector<uint32_t>{7}));
  EXPECT_EQ(Reduced<uint16_t>(B::kAdd, T::kF16, {0x3c00}, {0x3c00}),
            (std::vector<uint16_t>{0x4000}));
  EXPECT_EQ(Reduced<uint16_t>(B::kAdd, T::kBf16, {0x3f80}, {0x3b80}),
            (std::vector<uint16_t>{0x3f80}));  // 1 + 2^-8: a tie, to even
  EXPECT_EQ(Reduced<uint16_t>(B::kMax, T::kBf16, {0xbf80}, {0x3f80}),
            (std::vector<uint16_t>{0x3f80}));
}

TEST(TmaReduce, WhatDoesNotExist) {
  using B = BulkReduction;
  using T = TensorType;
  EXPECT_FALSE(IsBulkReduction(B::kAdd, T::kU8));
  EXPECT_FALSE(IsBulkReduction(B::kMin, T::kF32));
  EXPECT_FALSE(IsBulkReduction(B::kAnd, T::kBf16));
  EXPECT_FALSE(IsBulkReduction(B::kNone, T::kU32));
  EXPECT_TRUE(IsBulkReduction(B::kAdd, T::kBf16));
  EXPECT_EQ(ParseBulkReduction("inc"), B::kNone);
  EXPECT_EQ(ParseBulkReduction("add"), B::kAdd);
}

}  // namespace
}  // namespace emu
