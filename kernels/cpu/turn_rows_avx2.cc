#include "kernels/cpu/turn_rows_impl.h"

namespace switchyard::kernels::cpu {

const TurnKernels kAvx2Turn = {
    .bytes1 = TurnPanels<TurnElements<uint8_t, 1>, TurnElements<uint8_t, 2>, kPanelRows>,
    .bytes2 = TurnPanels<TurnElements<uint16_t, 1>, TurnElements<uint16_t, 2>, kPanelRows * 2>,
    .bytes4 = TurnPanels<TurnElements<uint32_t, 1>, TurnElements<uint32_t, 2>, kPanelRows * 4>,
    .quads = TurnPanels<TurnQuads<1>, TurnQuads<2>, kPanelRows * 4>,
};

}  // namespace switchyard::kernels::cpu
