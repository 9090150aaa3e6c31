// Rows of a weight turned into the columns of panels: the inner loops of packing, one table per
// instruction set. All tables write the same bytes.
#ifndef SWITCHYARD_KERNELS_CPU_TURN_ROWS_H_
#define SWITCHYARD_KERNELS_CPU_TURN_ROWS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/cpu/cpu_context.h"
#include "kernels/cpu/panel_kernels.h"

namespace switchyard::kernels::cpu {

// Columns are turned so many bytes of a row at once.
inline constexpr int64_t kTurnBytes = 16;

// Where the columns of each row of a panel begin, at any address.
using PanelRowPointers = std::array<const std::byte*, kPanelRows>;

struct TurnArgs {
  const PanelRowPointers* rows = nullptr;  // of each panel; whole kTurnBytes are read
  int panels = 1;                          // side by side, 1 to kGroupPanels
  int64_t steps = 0;                       // to be written, of each panel
  int64_t stride = 0;                      // bytes between steps
  std::byte* to = nullptr;                 // the first step of the first panel
};

// A step is one element of each row, of 1, 2 or 4 bytes (a step of two BF16 columns is one of 4);
// or four bytes of each in the order `quad` (PanelOrder).
struct TurnKernels {
  using Turn = void (*)(const TurnArgs&);
  Turn bytes1, bytes2, bytes4, quads;
};

// The best for the instruction set that this machine has, too.
const TurnKernels& TurnKernelsFor(Isa isa);
extern const TurnKernels kPortableTurn, kAvx2Turn;

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_TURN_ROWS_H_
