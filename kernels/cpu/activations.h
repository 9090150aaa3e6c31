// Activations on their way into a product: rows of f32 become rows of words as a matrix' layout
// wants them, rounded or quantised.
#ifndef SWITCHYARD_KERNELS_CPU_ACTIVATIONS_H_
#define SWITCHYARD_KERNELS_CPU_ACTIVATIONS_H_

#include <cstdint>

#include "kernels/args/quantised.h"
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
  float* scales = nullptr;    // f32 [rows, row_scales]
};

// Room for a row of words, such that neighbouring rows do not compete for the same sets of a cache.
int64_t WordStride(const PanelLayout& layout);

void ConvertRows(const CpuContext& cpu, const PanelLayout& layout, const ActivationRows& from,
                 const WordRows& to);

// QuantisedRows of this backend are words and scales as all layouts that take them want them: the
// words of all rows, then the scales.
int64_t QuantisedBytes(const PanelKernels& kernels, int64_t rows, int64_t columns);
WordRows WordsOf(const PanelKernels& kernels, const QuantisedRows& rows);
// A row of `columns`; `words` and `scales` are the row's.
void QuantiseRow(const PanelKernels& kernels, const float* x, int64_t columns, bool ue8m0,
                 uint32_t* words, float* scales);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ACTIVATIONS_H_
