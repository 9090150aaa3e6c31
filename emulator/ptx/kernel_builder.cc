#include "emulator/ptx/kernel_builder.h"

#include "emulator/ptx/fault.h"

namespace emu {

void KernelBuilder::Fail(const ParsedInstruction& instruction, std::string_view message) const {
  throw ParseError("line " + std::to_string(instruction.line) + ": " + std::string(message) + ": " +
                   std::string(instruction.opcode));
}

int64_t KernelBuilder::Constant(const ParsedInstruction& instruction,
                                const Operand& operand) const {
  if (operand.kind != Operand::Kind::kInteger) Fail(instruction, "a constant is expected");
  return static_cast<int64_t>(operand.bits);
}

}  // namespace emu
