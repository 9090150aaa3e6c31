// MXFP4: blocks of 32 values along the input dimension, 16 bytes with the even value in the low
// nibble, and a scale of one byte for each (MODEL_SPECS 8):
//
//   value = LUT[nibble] * 2^(scale - 127),  LUT = 0, .5, 1, 1.5, 2, 3, 4, 6 and the negatives
#ifndef SWITCHYARD_WORKER_WEIGHTS_MXFP4_H_
#define SWITCHYARD_WORKER_WEIGHTS_MXFP4_H_

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/dtype.h"

namespace switchyard::worker {

inline constexpr int64_t kMxfp4Block = 32;          // values
inline constexpr int64_t kMxfp4BlockBytes = 16;     // of a block, without its scale
inline constexpr uint8_t kMxfp4LargestScale = 252;  // the largest that leaves 6 finite in BF16

// The nibbles in order, one to a byte, and each block's scale as a float. REQUIRES: a scale for
// each block of `blocks`, none above kMxfp4LargestScale.
struct Mxfp4Values {
  std::vector<kernels::F4E2M1> codes;
  std::vector<float> scales;
};
Mxfp4Values UnpackMxfp4(std::span<const uint8_t> blocks, std::span<const uint8_t> scales);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_MXFP4_H_
