// Activations on their way into a product: rows of f32 become rows of words as a matrix' layout
// wants them, rounded or quantised.
#ifndef SWITCHYARD_KERNELS_CPU_ACTIVATIONS_H_
#define SWITCHYARD_KERNELS_CPU_ACTIVATIONS_H_

#include <cstdint>

#include "kernels/cpu/cpu_context.h"
#include "kernels/cpu/panel_matrix.h"

namespace switchyard::kernels::cpu {

// What is converted.
struct ActivationRows {
  const float* x = nullptr;  // f32 [rows, k]
  int64_t stride = 0;        // elements from row to row
  int64_t rows = 0;
  // f32 [rows, groups], the largest |x| of each quantisation group; null: taken from x.
  const float* amax = nullptr;
  int64_t amax_stride = 0;
  bool ue8m0 = false;
};

// What becomes of it.
struct WordRows {
  uint32_t* words = nullptr;  // [rows, row_words]
  int64_t stride = 0;         // words from row to row, see WordStride
  float* scales = nullptr;    // f32 [rows, segments]; not touched unless the layout quantises
};

// Room for a row of words, such that neighbouring rows do not compete for the same sets of a cache.
int64_t WordStride(const PanelLayout& layout);

void ConvertRows(const CpuContext& cpu, const PanelLayout& layout, const ActivationRows& from,
                 const WordRows& to);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ACTIVATIONS_H_
