#include "base/check.h"
#include "kernels/cpu/turn_rows_impl.h"

namespace switchyard::kernels::cpu {

const TurnKernels kPortableTurn = {
    .bytes1 = TurnPanels<TurnElements<uint8_t, 1>, nullptr, kPanelRows>,
    .bytes2 = TurnPanels<TurnElements<uint16_t, 1>, nullptr, kPanelRows * 2>,
    .bytes4 = TurnPanels<TurnElements<uint32_t, 1>, nullptr, kPanelRows * 4>,
    .quads = TurnPanels<TurnQuads<1>, nullptr, kPanelRows * 4>,
};

const TurnKernels& TurnKernelsFor([[maybe_unused]] Isa isa) {
#if defined(__x86_64__)
  if (std::min(isa, BestIsa()) >= Isa::kAvx2) return kAvx2Turn;
#endif
  return kPortableTurn;
}

}  // namespace switchyard::kernels::cpu
