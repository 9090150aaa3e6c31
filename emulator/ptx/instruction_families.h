// The families of instructions, one function per file that binds them. InstructionTable::Get()
// calls each once (instruction_table.cc).
#ifndef SWITCHYARD_EMULATOR_PTX_INSTRUCTION_FAMILIES_H_
#define SWITCHYARD_EMULATOR_PTX_INSTRUCTION_FAMILIES_H_

namespace emu {

class InstructionTable;

void RegisterIntegerOps(InstructionTable& table);
void RegisterBitOps(InstructionTable& table);
void RegisterFloatOps(InstructionTable& table);
void RegisterCompareOps(InstructionTable& table);
void RegisterConvertOps(InstructionTable& table);
void RegisterMoveOps(InstructionTable& table);
void RegisterMemoryOps(InstructionTable& table);
void RegisterAtomicOps(InstructionTable& table);
void RegisterControlOps(InstructionTable& table);
void RegisterBarrierOps(InstructionTable& table);
void RegisterWarpOps(InstructionTable& table);
void RegisterCopyAsyncOps(InstructionTable& table);
void RegisterMmaOps(InstructionTable& table);
void RegisterMatrixOps(InstructionTable& table);
void RegisterWgmmaOps(InstructionTable& table);
void RegisterMbarrierOps(InstructionTable& table);
void RegisterMbarrierCopyOps(InstructionTable& table);
void RegisterTensorCopyOps(InstructionTable& table);
void RegisterBulkCopyOps(InstructionTable& table);
void RegisterClusterStoreOps(InstructionTable& table);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_INSTRUCTION_FAMILIES_H_
