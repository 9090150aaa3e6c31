// The inner loops of matrix products, one table per instruction set. A panel is 16 rows of a weight
// side by side: a lane of a vector is one output, and walks K in order whatever the number of
// activation rows is.
//
// A *word* is 4 bytes of activations, and what the weights hold for them: two BF16 columns in the
// arithmetic of AVX-512 BF16, one F32 column in every other. All tables of one instruction set give
// the same bits for one row, however rows are grouped.
#ifndef SWITCHYARD_KERNELS_CPU_PANEL_KERNELS_H_
#define SWITCHYARD_KERNELS_CPU_PANEL_KERNELS_H_

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/int_kernels.h"

namespace switchyard::kernels::cpu {

inline constexpr int kPanelRows = 16;
// Panels that are interleaved into one stream of memory. Two let a tile of twelve rows walk the
// stream once.
inline constexpr int kGroupPanels = 2;
inline constexpr int kMaxBlockWords = 128;  // of a block with scales

// How a panel stores its elements.
enum class PanelFormat : uint8_t { kBf16, kF32, kF8 };
inline constexpr int kNumPanelFormats = 3;

// How activations of type f32 become words.
enum class WordForm : uint8_t { kBf16Pairs, kF32 };

// Order of elements in a panel: steps of `step_columns` columns, each kPanelRows * step_columns
// elements. quad: within a step of four columns every four rows hold their columns (0, 1), then
// their columns (2, 3); else a row's columns lie together.
struct PanelOrder {
  int step_columns = 1;
  bool quad = false;
};

// A block of K of one group of panels times some rows.
struct PanelBlock {
  const std::byte* weights;  // the first step; the panels' shares of a step lie side by side
  int panels;                // of the group, 1 to kGroupPanels
  int64_t words;             // length of the block
  const uint32_t* x;         // [rows, words]
  int64_t x_stride;          // words from row to row
  int64_t rows;
  float* sums;  // [rows, panels * kPanelRows]
  bool first;   // sums begin with zero; else with what is there
  // Scaled blocks are summed from zero; (block * x_scale) * weight_scale is added to the sums. Null
  // weight_scales: the sums go on with the block's products.
  const float* weight_scales;  // [panels * kPanelRows], or null
  const float* x_scales;       // [rows], or null: 1
  int64_t x_scale_stride;      // from row to row
  // Weights that are read after these: fetched into the cache while tiles compute. May be 0 bytes.
  const std::byte* next;
  int64_t next_bytes;
};

struct PanelKernels {
  WordForm bf16_words;  // of activations that are rounded to BF16, or quantised
  PanelOrder order[kNumPanelFormats];
  // By PanelFormat. Only kF8 panels may have scales, and they must.
  void (*multiply[kNumPanelFormats])(const PanelBlock& block);

  const IntKernels* ints;

  // Writes `count` columns rounded to BF16 as bf16_words, and zeros up to `words`.
  void (*to_words)(const float* x, int64_t count, uint32_t* out, int64_t words);
  // q = e4m3(clamp(x / scale)) as floats, exactly.
  void (*quantize)(const float* x, int64_t count, float scale, float* q);
  // The largest |x|, 0 of nothing; a NaN counts as nothing.
  float (*amax)(const float* x, int64_t count);
  // y = silu(gate) * up.
  void (*silu_mul)(const float* gate, const float* up, int64_t count, float* y);
};

// Entered only on a CPU that has the instruction set.
extern const PanelKernels kPortableKernels;
extern const PanelKernels kAvx2Kernels;
extern const PanelKernels kAvx512Kernels;
extern const PanelKernels kAvx512Bf16Kernels;

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PANEL_KERNELS_H_
