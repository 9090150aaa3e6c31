#include "worker/weights/mxfp4.h"

#include "base/check.h"
#include "worker/weights/block_fp8.h"

namespace switchyard::worker {

Mxfp4Values UnpackMxfp4(std::span<const uint8_t> blocks, std::span<const uint8_t> scales) {
  SY_CHECK_EQ(blocks.size(), scales.size() * kMxfp4BlockBytes);
  Mxfp4Values values;
  values.codes.resize(blocks.size() * 2);
  for (size_t i = 0; i < blocks.size(); ++i) {
    values.codes[2 * i] = static_cast<kernels::F4E2M1>(blocks[i] & 15);
    values.codes[2 * i + 1] = static_cast<kernels::F4E2M1>(blocks[i] >> 4);
  }
  values.scales.reserve(scales.size());
  for (const uint8_t scale : scales) values.scales.push_back(E8m0ToFloat(scale));
  return values;
}

}  // namespace switchyard::worker
