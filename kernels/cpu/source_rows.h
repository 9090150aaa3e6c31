// Rows of a checkpoint's weight as elements that panels hold: converted, dequantised, rounded.
#ifndef SWITCHYARD_KERNELS_CPU_SOURCE_ROWS_H_
#define SWITCHYARD_KERNELS_CPU_SOURCE_ROWS_H_

#include <cstdint>

#include "kernels/args/linear.h"
#include "kernels/cpu/panel_kernels.h"

namespace switchyard::kernels::cpu {

// The scale of a weight's element, both in the slice's coordinates. REQUIRES: a source with scales.
float ScaleAt(const LinearSource& source, int64_t row, int64_t column);
// Its zero point; 0 for i8.
int ZeroAt(const LinearSource& source, int64_t row, int64_t column);

// Columns [begin, begin + count) of a row in the panel's element type, written to `out`. FP8 panels
// hold the codes alone, their scales apart.
void ReadRow(const LinearSource& source, PanelFormat format, int64_t row, int64_t begin,
             int64_t count, void* out);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_SOURCE_ROWS_H_
