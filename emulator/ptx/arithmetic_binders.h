// Binders that one opcode's types divide between files (integer_ops.cc chooses).
#ifndef SWITCHYARD_EMULATOR_PTX_ARITHMETIC_BINDERS_H_
#define SWITCHYARD_EMULATOR_PTX_ARITHMETIC_BINDERS_H_

#include "emulator/ptx/instruction.h"
#include "emulator/ptx/op.h"

namespace emu {

class InstructionTable;
class KernelBuilder;

// f32 and f64 (float_ops.cc).
Op BindFloatArithmetic(const ParsedInstruction& instruction, KernelBuilder& builder);
// f16, bf16 and their pairs (half_ops.cc).
Op BindHalfArithmetic(const ParsedInstruction& instruction, KernelBuilder& builder);
// add.cc, addc and their like (carry_ops.cc).
void RegisterCarryOps(InstructionTable& table);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_ARITHMETIC_BINDERS_H_
