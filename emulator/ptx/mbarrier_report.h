// What a waiting warp waits for, in words: for deadlock reports.
#ifndef SWITCHYARD_EMULATOR_PTX_MBARRIER_REPORT_H_
#define SWITCHYARD_EMULATOR_PTX_MBARRIER_REPORT_H_

#include <string>

#include "emulator/ptx/op.h"

namespace emu {

class Warp;

// If `op` is a wait on an mbarrier: which one, and what its phase lacks; else empty. The warp's
// registers are those of its last poll.
std::string DescribeMbarrierWait(const Warp& warp, const Op& op);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_MBARRIER_REPORT_H_
