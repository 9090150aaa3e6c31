#include "worker/weights/mxfp4.h"

#include <cmath>

#include "base/check.h"

namespace switchyard::worker {
namespace {

constexpr float kValues[16] = {0,     0.5f,  1,  1.5f,  2,  3,  4,  6,
                               -0.0f, -0.5f, -1, -1.5f, -2, -3, -4, -6};

}  // namespace

void DecodeMxfp4(std::span<const uint8_t> blocks, std::span<const uint8_t> scales,
                 kernels::Bf16* out) {
  SY_CHECK_EQ(blocks.size(), scales.size() * kMxfp4BlockBytes);
  for (size_t block = 0; block < scales.size(); ++block) {
    kernels::Bf16 results[16];
    for (int code = 0; code < 16; ++code) {
      results[code] = kernels::ToBf16(std::ldexp(kValues[code], int(scales[block]) - 127));
    }
    for (const uint8_t pair : blocks.subspan(block * kMxfp4BlockBytes, kMxfp4BlockBytes)) {
      *out++ = results[pair & 15];
      *out++ = results[pair >> 4];
    }
  }
}

}  // namespace switchyard::worker
