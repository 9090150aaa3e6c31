// Whole numbers in plain C++.
#include <cstring>

#include "kernels/cpu/int_kernels.h"
#include "kernels/cpu/int_rows.h"
#include "kernels/cpu/panel_kernels.h"
#include "kernels/dtype.h"

namespace switchyard::kernels::cpu {
namespace {

struct U4 {
  static constexpr int kStepBytes = 32;
  static int At(const std::byte* step, int row, int column) {
    const auto both = static_cast<unsigned>(step[row % 8 * kStepColumns + column]);
    return static_cast<int>(row < 8 ? both & 15 : both >> 4);
  }
};
struct I8 {
  static constexpr int kStepBytes = 64;
  static int At(const std::byte* step, int row, int column) {
    return static_cast<int8_t>(step[row * kStepColumns + column]);
  }
};

float ScaleAt(const std::byte* scales, int row) {
  uint16_t bits;
  memcpy(&bits, scales + row * 2, sizeof(bits));
  return ToFloat(static_cast<F16>(bits));
}

// One output of one row.
template <class F>
class Output {
 public:
  Output(const IntBlock& block, int64_t row, int panel, int lane)
      : block_(block),
        width_(static_cast<int64_t>(block.panels) * kPanelRows),
        panel_(panel),
        lane_(lane),
        x_(block.x + row * block.x_stride),
        x_scales_(block.x_scales + row * block.x_scale_stride) {}

  float Sum(float sum) {
    const int64_t scale_bytes = width_ * 2, zero_bytes = block_.zeros ? width_ : 0;
    const int64_t stride = static_cast<int64_t>(block_.panels) * F::kStepBytes;
    const std::byte* group = block_.weights;
    const int at = panel_ * kPanelRows + lane_;
    for (int64_t g = 0; g < block_.groups; ++g) {
      int zero = std::is_same_v<F, U4> ? kMiddleCode : 0;
      if (block_.zeros) zero = static_cast<int>(group[scale_bytes + at]);
      const std::byte* codes = group + scale_bytes + zero_bytes + panel_ * F::kStepBytes;
      float of_group = 0;
      for (int64_t part = 0; part < block_.parts; ++part, x_scales_ += 2) {
        int32_t x_sum;
        memcpy(&x_sum, x_scales_ + 1, sizeof(x_sum));
        of_group += static_cast<float>(Part(codes, stride) - zero * x_sum) * x_scales_[0];
        codes += block_.part_words * stride;
      }
      sum += of_group * ScaleAt(group, at);
      group += scale_bytes + zero_bytes + block_.parts * block_.part_words * stride;
    }
    return sum;
  }

 private:
  int Part(const std::byte* codes, int64_t stride) {
    int sum = 0;
    for (int word = 0; word < block_.part_words; ++word, ++x_, codes += stride) {
      int8_t x[kStepColumns];
      memcpy(x, x_, sizeof(x));
      for (int column = 0; column < kStepColumns; ++column) {
        sum += F::At(codes, lane_, column) * x[column];
      }
    }
    return sum;
  }

  const IntBlock& block_;
  const int64_t width_;
  const int panel_, lane_;
  const uint32_t* x_;
  const float* x_scales_;
};

template <class F>
void Multiply(const IntBlock& block) {
  float* sums = block.sums;
  for (int64_t row = 0; row < block.rows; ++row) {
    for (int panel = 0; panel < block.panels; ++panel) {
      for (int lane = 0; lane < kPanelRows; ++lane, ++sums) {
        *sums = Output<F>(block, row, panel, lane).Sum(block.first ? 0 : *sums);
      }
    }
  }
}

}  // namespace

constinit const IntKernels kPortableIntKernels = {.multiply = {Multiply<U4>, Multiply<I8>},
                                                  .quantise = QuantiseIntRow};

}  // namespace switchyard::kernels::cpu
