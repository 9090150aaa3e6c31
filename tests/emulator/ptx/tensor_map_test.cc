#include "emulator/ptx/tensor_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

namespace emu {
namespace {

using ::testing::HasSubstr;

// A good set of arguments: bf16 [4, 100, 200] with padded rows, boxes of 64 x 16 x 1.
struct Arguments {
  uint64_t dims[5] = {200, 100, 4, 1, 1};
  uint64_t strides[4] = {416, 41600, 16, 16};
  uint32_t box[5] = {64, 16, 1, 1, 1};
  uint32_t element_strides[5] = {1, 1, 1, 1, 1};
  TiledArguments tiled;

  Arguments() {
    tiled.type = TensorType::kBf16;
    tiled.rank = 3;
    tiled.address = 0x10000;
    tiled.dims = dims;
    tiled.strides = strides;
    tiled.box = box;
    tiled.element_strides = element_strides;
    tiled.swizzle = TensorSwizzle::k128B;
  }
};

std::string EncodeWith(const std::function<void(Arguments&)>& change) {
  Arguments arguments;
  change(arguments);
  TensorMap map;
  map.magic = 0x5a5a;
  map.rank = 7;
  const TensorMap before = map;
  const std::string wrong = EncodeTiled(arguments.tiled, &map);
  const bool untouched = std::memcmp(&before, &map, sizeof map) == 0;
  EXPECT_EQ(untouched, !wrong.empty());
  return wrong;
}

TEST(TensorMap, HoldsWhatItWasGiven) {
  Arguments arguments;
  TensorMap map;
  ASSERT_EQ(EncodeTiled(arguments.tiled, &map), "");
  EXPECT_EQ(map.magic, kTensorMapMagic);
  EXPECT_EQ(map.rank, 3);
  EXPECT_EQ(map.dim(0), 200u);
  EXPECT_EQ(map.dim(2), 4u);
  EXPECT_EQ(map.strides[1], 41600u);
  EXPECT_EQ(map.box_bytes(), 64u * 16 * 2);
  EXPECT_EQ(map.swizzle_bytes(), 128u);
}

TEST(TensorMap, Limits) {
  EXPECT_EQ(EncodeWith([](Arguments&) {}), "");
  EXPECT_EQ(EncodeWith([](Arguments& a) { a.dims[2] = uint64_t{1} << 32; }), "");
  EXPECT_EQ(EncodeWith([](Arguments& a) { a.strides[1] = (uint64_t{1} << 40) - 16; }), "");
  EXPECT_EQ(EncodeWith([](Arguments& a) { a.box[1] = 256; }), "");
  EXPECT_EQ(EncodeWith([](Arguments& a) { a.tiled.rank = 5; }), "");
  EXPECT_EQ(EncodeWith([](Arguments& a) {
              a.tiled.rank = 1;
              a.tiled.strides = nullptr;
            }),
            "");
  // Permuted views have strides that shrink.
  EXPECT_EQ(EncodeWith([](Arguments& a) { a.strides[1] = 16; }), "");
  // The first element stride is ignored without interleaving, but must be a stride.
  EXPECT_EQ(EncodeWith([](Arguments& a) { a.element_strides[0] = 8; }), "");
  EXPECT_EQ(EncodeWith([](Arguments& a) { a.tiled.fill = TensorFill::kNan; }), "");
}

TEST(TensorMap, EveryRuleIsChecked) {
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.tiled.rank = 0; }), HasSubstr("tensorRank"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.tiled.rank = 6; }), HasSubstr("tensorRank"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.tiled.address = 0; }), HasSubstr("globalAddress"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.tiled.address += 8; }), HasSubstr("globalAddress"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.dims[1] = 0; }), HasSubstr("globalDim[1]"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.dims[1] = (uint64_t{1} << 32) + 1; }),
              HasSubstr("globalDim[1]"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.strides[0] = 408; }), HasSubstr("globalStrides[0]"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.strides[1] = uint64_t{1} << 40; }),
              HasSubstr("globalStrides[1]"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.box[2] = 0; }), HasSubstr("boxDim[2]"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.box[1] = 257; }), HasSubstr("boxDim[1]"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.box[0] = 60; }), HasSubstr("multiple of 16"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.box[0] = 72; }), HasSubstr("swizzle span of 128"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.tiled.swizzle = TensorSwizzle::k64B; }),
              HasSubstr("swizzle span of 64"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.element_strides[1] = 0; }),
              HasSubstr("elementStrides[1]"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.element_strides[1] = 9; }),
              HasSubstr("elementStrides[1]"));
  EXPECT_THAT(EncodeWith([](Arguments& a) {
                a.tiled.type = TensorType::kU16;
                a.tiled.fill = TensorFill::kNan;
              }),
              HasSubstr("oobFill"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.tiled.interleave = TensorInterleave::k32B; }),
              HasSubstr("not modelled"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.tiled.dims = nullptr; }), HasSubstr("null"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.tiled.type = static_cast<TensorType>(13); }),
              HasSubstr("tensorDataType"));
  EXPECT_THAT(EncodeWith([](Arguments& a) { a.tiled.swizzle = static_cast<TensorSwizzle>(4); }),
              HasSubstr("swizzle"));
}

TEST(TensorMap, MustBeAligned) {
  Arguments arguments;
  alignas(64) std::byte storage[256];
  auto* off = reinterpret_cast<TensorMap*>(storage + 32);
  EXPECT_THAT(EncodeTiled(arguments.tiled, off), HasSubstr("multiple of 64"));
}

}  // namespace
}  // namespace emu
