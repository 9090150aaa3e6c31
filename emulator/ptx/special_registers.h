// The special registers that hold one value per lane from a warp's start to its end.
#ifndef SWITCHYARD_EMULATOR_PTX_SPECIAL_REGISTERS_H_
#define SWITCHYARD_EMULATOR_PTX_SPECIAL_REGISTERS_H_

#include <cstdint>
#include <optional>
#include <string_view>

#include "emulator/ptx/kernel.h"

namespace emu {

class Warp;

// "%tid.x"; nothing for names that are no such register.
std::optional<SpecialRegister> FindSpecialRegister(std::string_view name);

// Fills the 32 lanes of one.
void FillSpecialRegister(SpecialRegister which, const Warp& warp, uint32_t* lanes);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_SPECIAL_REGISTERS_H_
