// cvt forms that pack two values or use 8-bit floating formats or tf32.
#ifndef SWITCHYARD_EMULATOR_PTX_CONVERT_PACKED_OPS_H_
#define SWITCHYARD_EMULATOR_PTX_CONVERT_PACKED_OPS_H_

#include "emulator/ptx/instruction.h"
#include "emulator/ptx/op.h"

namespace emu {

class KernelBuilder;

bool IsPackedConversion(ScalarType to, ScalarType from);
Op BindConvertPacked(const ParsedInstruction& instruction, KernelBuilder& builder);
Op BindConvertPack(const ParsedInstruction& instruction, KernelBuilder& builder);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_CONVERT_PACKED_OPS_H_
