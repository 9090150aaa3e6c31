#include "emulator/ptx/instruction_table.h"

#include "emulator/ptx/instruction_families.h"

namespace emu {

const InstructionTable& InstructionTable::Get() {
  static const InstructionTable table = [] {
    InstructionTable t;
    RegisterIntegerOps(t);
    RegisterBitOps(t);
    RegisterFloatOps(t);
    RegisterCompareOps(t);
    RegisterConvertOps(t);
    RegisterMoveOps(t);
    RegisterMemoryOps(t);
    RegisterAtomicOps(t);
    RegisterControlOps(t);
    RegisterBarrierOps(t);
    RegisterWarpOps(t);
    RegisterCopyAsyncOps(t);
    RegisterMmaOps(t);
    RegisterMatrixOps(t);
    RegisterWgmmaOps(t);
    RegisterMbarrierOps(t);
    RegisterMbarrierCopyOps(t);
    RegisterTensorCopyOps(t);
    RegisterBulkCopyOps(t);
    RegisterClusterStoreOps(t);
    return t;
  }();
  return table;
}

void InstructionTable::Add(std::string_view family, Binder binder) {
  binders_.emplace(family, binder);
}

Binder InstructionTable::Find(const ParsedInstruction& instruction) const {
  std::string_view name = instruction.opcode;
  while (true) {
    const auto it = binders_.find(name);
    if (it != binders_.end()) return it->second;
    const size_t dot = name.rfind('.');
    if (dot == std::string_view::npos) return nullptr;
    name = name.substr(0, dot);
  }
}

std::vector<std::string_view> InstructionTable::Families() const {
  std::vector<std::string_view> families;
  for (const auto& [family, binder] : binders_) families.emplace_back(family);
  return families;
}

}  // namespace emu
