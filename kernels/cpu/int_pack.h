// Panels of whole numbers: how they are laid out, and how they are filled from weights that are
// whole numbers already or are quantised on the way. Layout in memory: int_kernels.h.
#ifndef SWITCHYARD_KERNELS_CPU_INT_PACK_H_
#define SWITCHYARD_KERNELS_CPU_INT_PACK_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "kernels/args/linear.h"
#include "kernels/cpu/int_kernels.h"
#include "kernels/cpu/panel_kernels.h"

namespace switchyard::kernels::cpu {

struct PanelLayout;

// Columns of a group that share a scale, and of a part (kernels/args/linear.h, LinearArgs).
struct IntLayout {
  IntFormat format = IntFormat::kI8;
  bool zeros = false;
  int64_t group_columns = 0;
  int64_t part_columns = 0;

  int64_t parts() const { return group_columns / part_columns; }
  int part_words() const { return static_cast<int>(part_columns / kStepColumns); }
  int64_t step_bytes() const { return kPanelRows * (format == IntFormat::kU4 ? 2 : 4); }
  // One panel's share of a group: scales, zero points, steps.
  int64_t scale_bytes() const { return kPanelRows * 2; }
  int64_t zero_bytes() const { return zeros ? kPanelRows : 0; }
  int64_t group_bytes() const {
    return scale_bytes() + zero_bytes() + group_columns / kStepColumns * step_bytes();
  }
};

// Empty where the weight is not kept in whole numbers.
std::optional<IntLayout> ChooseInts(const LinearSource& source);

// Where a panel lies: at `group`, side by side with others.
struct PanelPlace {
  std::byte* group;
  int panels;
  int panel;
};

// Fills one panel with up to kPanelRows rows of the source, from `first_row` on. What no row fills
// stays as it is. REQUIRES: layout.ints.
void PackIntPanel(const PanelLayout& layout, const LinearSource& source, int64_t first_row,
                  const PanelPlace& place);

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_INT_PACK_H_
