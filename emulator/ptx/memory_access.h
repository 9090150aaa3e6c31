// From the address operand of a load, store or atomic to host pointers: alignment and bounds
// checked, the observer told.
#ifndef SWITCHYARD_EMULATOR_PTX_MEMORY_ACCESS_H_
#define SWITCHYARD_EMULATOR_PTX_MEMORY_ACCESS_H_

#include <cstddef>
#include <cstdint>

#include "emulator/ptx/kernel_builder.h"
#include "emulator/ptx/observer.h"
#include "emulator/ptx/op.h"

namespace emu {

class Warp;

// What an instruction says about its access, packed into Op::detail.
struct AccessMode {
  Order order = Order::kWeak;
  Scope scope = Scope::kSys;
  MemorySpace space = MemorySpace::kGlobal;  // kGlobal also stands for generic
  bool wide = false;                         // 64-bit address register
};
enum AccessDetail { kOrderDetail, kScopeDetail, kWideDetail };

// Reads order, scope and space off the modifiers: .volatile, .relaxed, .acquire, .gpu, .shared ...
AccessMode AccessModeOf(const ParsedInstruction& instruction);
// Binds the address operand to slots[0], immediate and detail[0 to 2].
void BindAddress(const Operand& operand, AccessMode mode, KernelBuilder& builder, Op* op);

struct LanePointers {
  std::byte* at[32];  // only of active lanes
  // Lane l's place is l * bytes behind lane 0's, for all 32.
  bool contiguous = false;
};

// One function for each memory space; `bytes` per lane, which is the alignment too.
using ResolveLanes = void (*)(Warp& warp, const Op& op, LaneMask active, uint32_t bytes,
                              AccessKind kind, LanePointers* out);
void ResolveGlobal(Warp& warp, const Op& op, LaneMask active, uint32_t bytes, AccessKind kind,
                   LanePointers* out);
void ResolveShared(Warp& warp, const Op& op, LaneMask active, uint32_t bytes, AccessKind kind,
                   LanePointers* out);
void ResolveLocal(Warp& warp, const Op& op, LaneMask active, uint32_t bytes, AccessKind kind,
                  LanePointers* out);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_MEMORY_ACCESS_H_
