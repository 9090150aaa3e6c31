// Which binder makes an Op of which opcode. A family is named by dotted parts ("add", "cp.async",
// "cp.async.bulk.tensor"); the longest family that is a prefix of an opcode's parts binds it. An
// opcode without a family is a parse failure, and so is every form a binder does not know: binders
// call KernelBuilder::Fail.
//
// Filled once per process by the Register... functions (instruction_families.h); then read only.
#ifndef SWITCHYARD_EMULATOR_PTX_INSTRUCTION_TABLE_H_
#define SWITCHYARD_EMULATOR_PTX_INSTRUCTION_TABLE_H_

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/ptx/instruction.h"
#include "emulator/ptx/op.h"

namespace emu {

class KernelBuilder;

// The guard, line and mnemonic of the result are the builder's to set.
using Binder = Op (*)(const ParsedInstruction& instruction, KernelBuilder& builder);

class InstructionTable {
 public:
  static const InstructionTable& Get();

  // REQUIRES: `family` is not there yet.
  void Add(std::string_view family, Binder binder);
  // Null: no family fits.
  Binder Find(const ParsedInstruction& instruction) const;
  // All, in order. "call" is none: the binder of kernels takes it.
  std::vector<std::string_view> Families() const;

 private:
  std::map<std::string, Binder, std::less<>> binders_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_INSTRUCTION_TABLE_H_
