// Products of weights and activations in whole numbers, one table per instruction set.
//
// Weights are whole numbers of 4 or 8 bits with a scale (and a zero point) per row and *group* of
// columns; activations are whole numbers of 8 bits with a scale per row and *part*, at most 16
// columns of one group. Of a part the sum of products is a whole number, the same in any order and
// whatever multiplies it; it times the activations' scale is added to the group's sum in order of
// K, and a group's sum times the weights' scale to the row's, in FP32.
//
// A panel is 16 rows of a weight side by side, as in panel_kernels.h. A step is 4 columns of them:
//
//   8 bits  i8 [16 rows, 4 columns]
//   4 bits  u8 [8 rows, 4 columns]: the low nibble has row r, the high one row r + 8
#ifndef SWITCHYARD_KERNELS_CPU_INT_KERNELS_H_
#define SWITCHYARD_KERNELS_CPU_INT_KERNELS_H_

#include <cstddef>
#include <cstdint>

namespace switchyard::kernels::cpu {

inline constexpr int kStepColumns = 4;  // a word of activations
inline constexpr int kMaxPartWords = 4;
// What a 4-bit code means where a weight has no zero points: code - 8.
inline constexpr int kMiddleCode = 8;

enum class IntFormat : uint8_t { kU4, kI8 };
inline constexpr int kNumIntFormats = 2;

// Some groups of columns of one group of panels times some rows.
struct IntBlock {
  // The first group; groups lie one behind the other, each: scales f16 [panels, 16]; zero points u8
  // [panels, 16] if any; its steps, each with all panels side by side.
  const std::byte* weights = nullptr;
  int panels = 0;               // side by side
  int64_t groups = 0;           // of columns
  int64_t parts = 0;            // of a group
  int part_words = 0;           // 1 to kMaxPartWords
  bool zeros = false;           // 4 bits only
  const uint32_t* x = nullptr;  // i8 [rows, words of 4 columns]
  int64_t x_stride = 0;         // words from row to row
  // [rows, parts of all groups, 2]: a part's scale (f32), and the sum of its whole numbers (i32).
  const float* x_scales = nullptr;
  int64_t x_scale_stride = 0;  // from row to row
  int64_t rows = 0;
  float* sums = nullptr;  // [rows, panels * 16]
  bool first = true;      // sums begin with zero; else with what is there
};

struct IntKernels {
  void (*multiply[kNumIntFormats])(const IntBlock& block);
  // A row to whole numbers: scale = max|x| / 127, number = x / scale rounded to nearest; a part
  // that is not finite has the scale NaN. Writes the pairs of x_scales above. REQUIRES:
  // part_columns a multiple of 4 up to 16, columns a multiple of it.
  void (*quantise)(const float* x, int64_t columns, int64_t part_columns, uint32_t* words,
                   float* scales);
};

extern const IntKernels kPortableIntKernels;
// For every instruction set that has AVX2, wider ones too: sums of a part are exact.
extern const IntKernels kAvx2IntKernels;

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_INT_KERNELS_H_
