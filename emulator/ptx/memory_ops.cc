// ld, ldu, st, and the cache hints that change nothing here (prefetch, discard, createpolicy).
#include <algorithm>
#include <atomic>
#include <cstring>

#include "emulator/ptx/bind_util.h"
#include "emulator/ptx/block.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/lanes.h"
#include "emulator/ptx/memory_access.h"

namespace emu {
namespace {

// Op: slots[0] the address, slots[1...] the registers; detail as in memory_access.h.
bool IsStrong(const Op& op) { return static_cast<Order>(op.detail[kOrderDetail]) != Order::kWeak; }

// One element. Strong accesses of up to 8 bytes are atomic: another OS thread may write meanwhile.
template <class Mem>
Mem ReadElement(const std::byte* at, bool strong) {
  if (strong) return __atomic_load_n(reinterpret_cast<const Mem*>(at), __ATOMIC_ACQUIRE);
  Mem value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
template <class Mem>
void WriteElement(std::byte* at, Mem value, bool strong) {
  if (strong) {
    __atomic_store_n(reinterpret_cast<Mem*>(at), value, __ATOMIC_RELEASE);
  } else {
    std::memcpy(at, &value, sizeof value);
  }
}

// A strong load may be a poll of what somebody else will write: if it comes back to the same places
// and finds the same. `found`: the register that it loaded first.
template <class Reg>
Step AfterStrongLoad(Warp& warp, LaneMask active, const LanePointers& pointers, const Reg* found,
                     bool shared) {
  uint64_t seen = 1;
  EachLane(active, [&](int lane) {
    seen = seen * 31 + reinterpret_cast<uint64_t>(pointers.at[lane]) +
           static_cast<uint64_t>(found[lane]);
  });
  return warp.Polled(shared ? PollKind::kGang : PollKind::kGlobal, seen,
                     shared ? Warp::kLongPatience : 0);
}

// Mem: the element in memory, of which the sign extends into Reg, the register's cell.
template <ResolveLanes resolve, class Mem, class Reg, int count>
Step Load(Warp& warp, const Op& op, LaneMask active) {
  LanePointers pointers;
  resolve(warp, op, active, sizeof(Mem) * count, AccessKind::kLoad, &pointers);
  const bool strong = IsStrong(op);
  if constexpr (count == 1 && sizeof(Mem) == sizeof(Reg)) {
    if (pointers.contiguous && !strong) {
      std::memcpy(warp.Lanes<Reg>(op.slots[1]), pointers.at[0], sizeof(Reg) * kWarpSize);
      return Step::kNext;
    }
  }
  for (int i = 0; i < count; ++i) {
    if (op.slots[1 + i] == kNoSlot) continue;
    Reg* const out = warp.Lanes<Reg>(op.slots[1 + i]);
    if (active == kAllLanes && !strong) {
      for (int lane = 0; lane < kWarpSize; ++lane) {
        out[lane] = static_cast<Reg>(ReadElement<Mem>(pointers.at[lane] + i * sizeof(Mem), false));
      }
    } else {
      EachLane(active, [&](int lane) {
        out[lane] = static_cast<Reg>(ReadElement<Mem>(pointers.at[lane] + i * sizeof(Mem), strong));
      });
    }
  }
  if (!strong || op.slots[1] == kNoSlot) return Step::kNext;
  return AfterStrongLoad(warp, active, pointers, warp.Lanes<Reg>(op.slots[1]),
                         resolve == ResolveShared);
}

template <ResolveLanes resolve, class Mem, class Reg, int count>
Step Store(Warp& warp, const Op& op, LaneMask active) {
  LanePointers pointers;
  resolve(warp, op, active, sizeof(Mem) * count, AccessKind::kStore, &pointers);
  const bool strong = IsStrong(op);
  for (int i = 0; i < count; ++i) {
    const Reg* const in = warp.Lanes<Reg>(op.slots[1 + i]);
    EachLane(active, [&](int lane) {
      WriteElement(pointers.at[lane] + i * sizeof(Mem), static_cast<Mem>(in[lane]), strong);
    });
  }
  if (resolve != ResolveLocal) warp.Progress();
  return Step::kNext;
}

// A kernel parameter: the same for all lanes. immediate: the offset.
template <class Mem, class Reg, int count>
Step LoadParam(Warp& warp, const Op& op, LaneMask active) {
  const std::byte* at = warp.block().launch().params + op.immediate;
  for (int i = 0; i < count; ++i) {
    if (op.slots[1 + i] == kNoSlot) continue;
    const auto value = static_cast<Reg>(ReadElement<Mem>(at + i * sizeof(Mem), false));
    ForLanes<Reg>(warp.Lanes<Reg>(op.slots[1 + i]), active, [=](int) { return value; });
  }
  return Step::kNext;
}

enum class Action : uint8_t { kLoad, kStore, kLoadParam };

template <Action action, ResolveLanes resolve, class Mem, class Reg>
Execute PickCount(size_t count) {
  auto pick = []<int n>() -> Execute {
    if constexpr (action == Action::kLoad) return Load<resolve, Mem, Reg, n>;
    if constexpr (action == Action::kStore) return Store<resolve, Mem, Reg, n>;
    if constexpr (action == Action::kLoadParam) return LoadParam<Mem, Reg, n>;
  };
  switch (count) {
    case 1:
      return pick.template operator()<1>();
    case 2:
      return pick.template operator()<2>();
    case 4:
      return pick.template operator()<4>();
    default:
      return nullptr;
  }
}

struct ElementForm {
  uint32_t bits;
  bool is_signed;
  bool wide;  // the register
  size_t count;
};

template <Action action, ResolveLanes resolve>
Execute PickElement(const ElementForm& form) {
  const size_t n = form.count;
  const bool extend = form.is_signed && action != Action::kStore;
  switch (form.bits) {
    case 8:
      if (form.wide) {
        return extend ? PickCount<action, resolve, int8_t, int64_t>(n)
                      : PickCount<action, resolve, uint8_t, uint64_t>(n);
      }
      return extend ? PickCount<action, resolve, int8_t, int32_t>(n)
                    : PickCount<action, resolve, uint8_t, uint32_t>(n);
    case 16:
      if (form.wide) {
        return extend ? PickCount<action, resolve, int16_t, int64_t>(n)
                      : PickCount<action, resolve, uint16_t, uint64_t>(n);
      }
      return extend ? PickCount<action, resolve, int16_t, int32_t>(n)
                    : PickCount<action, resolve, uint16_t, uint32_t>(n);
    case 32:
      if (form.wide) {
        return extend ? PickCount<action, resolve, int32_t, int64_t>(n)
                      : PickCount<action, resolve, uint32_t, uint64_t>(n);
      }
      return PickCount<action, resolve, uint32_t, uint32_t>(n);
    case 64:
      return form.wide ? PickCount<action, resolve, uint64_t, uint64_t>(n) : nullptr;
    default:
      return nullptr;
  }
}

template <Action action>
Execute PickSpace(MemorySpace space, const ElementForm& form) {
  switch (space) {
    case MemorySpace::kShared:
      return PickElement<action, ResolveShared>(form);
    case MemorySpace::kLocal:
    case MemorySpace::kParam:
      return PickElement<action, ResolveLocal>(form);
    case MemorySpace::kGlobal:
      return PickElement<action, ResolveGlobal>(form);
  }
  return nullptr;
}

bool IsMemoryModifier(std::string_view part) {
  static constexpr std::string_view kKnown[] = {"weak",         "volatile",
                                                "relaxed",      "acquire",
                                                "release",      "mmio",
                                                "cta",          "cluster",
                                                "gpu",          "sys",
                                                "global",       "shared",
                                                "shared::cta",  "shared::cluster",
                                                "local",        "param",
                                                "param::entry", "param::func",
                                                "const",        "nc",
                                                "ca",           "cg",
                                                "cs",           "lu",
                                                "cv",           "wb",
                                                "wt",           "v2",
                                                "v4",           "unified"};
  return std::find(std::begin(kKnown), std::end(kKnown), part) != std::end(kKnown) ||
         part.starts_with("L1::") || part.starts_with("L2::");
}

void CheckModifiers(const ParsedInstruction& instruction, const KernelBuilder& builder) {
  for (size_t i = 1; i + 1 < instruction.parts.size(); ++i) {
    if (!IsMemoryModifier(instruction.parts[i])) builder.Fail(instruction, "unknown modifier");
  }
}

// Operands: the vector or single register, and the memory. With a cache hint, a policy follows.
void CheckOperands(const ParsedInstruction& instruction, const KernelBuilder& builder) {
  RequireOperandCount(instruction, builder, instruction.Has("L2::cache_hint") ? 3 : 2);
}

// The register operands as one list; a 128-bit register counts as two of 64.
struct Registers {
  ElementForm form;
  std::vector<Operand> operands;
};

Registers RegistersOf(const ParsedInstruction& instruction, const Operand& operand,
                      KernelBuilder& builder) {
  Registers result;
  const ScalarType type = instruction.type();
  result.form = {.bits = BitsOf(type), .is_signed = IsSigned(type)};
  result.operands =
      operand.kind == Operand::Kind::kVector ? operand.elements : std::vector<Operand>{operand};
  const size_t expected = instruction.Has("v4") ? 4 : instruction.Has("v2") ? 2 : 1;
  if (result.operands.size() != expected) builder.Fail(instruction, "number of registers");
  result.form.count = expected;
  // Registers may be wider than the element. Immediates and sinks have the element's width.
  result.form.wide = result.form.bits == 64;
  for (const Operand& element : result.operands) {
    if (element.kind == Operand::Kind::kName) {
      result.form.wide |= builder.RegisterBits(element) == 64;
    }
  }
  return result;
}

template <Action action>
void BindRegisters(const ParsedInstruction& instruction, const Registers& registers,
                   KernelBuilder& builder, Op* op) {
  const bool wide = registers.form.wide;
  for (size_t i = 0; i < registers.operands.size(); ++i) {
    const Operand& element = registers.operands[i];
    if constexpr (action == Action::kStore) {
      const ScalarType type = instruction.type();
      const bool exact = BitsOf(type) == (wide ? 64 : 32);
      op->slots[1 + i] = builder.Source(element, exact  ? type
                                                 : wide ? ScalarType::kB64
                                                        : ScalarType::kB32);
    } else {
      op->slots[1 + i] = builder.OptionalDestination(element, wide ? 64 : 32);
    }
  }
}

// A 128-bit register: its two rows of 64 bits.
template <Action action>
Op Bind128(const ParsedInstruction& instruction, const Operand& operand, const Operand& memory,
           KernelBuilder& builder) {
  Op op;
  const AccessMode mode = AccessModeOf(instruction);
  op.execute =
      PickSpace<action>(mode.space, {.bits = 64, .is_signed = false, .wide = true, .count = 2});
  BindAddress(memory, mode, builder, &op);
  op.slots[1] = action == Action::kStore ? builder.Source(operand, ScalarType::kB128)
                                         : builder.Destination(operand, 128);
  op.slots[2] = op.slots[1] + static_cast<int32_t>(sizeof(uint64_t) * kWarpSize);
  return op;
}

Op BindLoad(const ParsedInstruction& instruction, KernelBuilder& builder) {
  CheckModifiers(instruction, builder);
  CheckOperands(instruction, builder);
  const Operand& memory = instruction.operands[1];
  if (instruction.type() == ScalarType::kB128) {
    return Bind128<Action::kLoad>(instruction, instruction.operands[0], memory, builder);
  }
  Op op;
  AccessMode mode = AccessModeOf(instruction);
  const Registers registers = RegistersOf(instruction, instruction.operands[0], builder);
  int64_t param = 0;
  if (builder.KernelParam(memory, registers.form.bits / 8 * registers.form.count, &param)) {
    op.execute = PickElement<Action::kLoadParam, ResolveLocal>(registers.form);
    op.immediate = param;
  } else {
    // A register that holds a parameter's address: a generic one, in a kernel.
    if (mode.space == MemorySpace::kParam && builder.RegisterBits(memory) == 64) {
      mode.space = MemorySpace::kGlobal;
    }
    op.execute = PickSpace<Action::kLoad>(mode.space, registers.form);
    BindAddress(memory, mode, builder, &op);
  }
  if (op.execute == nullptr) builder.Fail(instruction, "unknown form");
  BindRegisters<Action::kLoad>(instruction, registers, builder, &op);
  return op;
}

Op BindStore(const ParsedInstruction& instruction, KernelBuilder& builder) {
  CheckModifiers(instruction, builder);
  CheckOperands(instruction, builder);
  const Operand& memory = instruction.operands[0];
  if (instruction.type() == ScalarType::kB128) {
    return Bind128<Action::kStore>(instruction, instruction.operands[1], memory, builder);
  }
  Op op;
  const AccessMode mode = AccessModeOf(instruction);
  const Registers registers = RegistersOf(instruction, instruction.operands[1], builder);
  op.execute = PickSpace<Action::kStore>(mode.space, registers.form);
  if (op.execute == nullptr) builder.Fail(instruction, "unknown form");
  BindAddress(memory, mode, builder, &op);
  BindRegisters<Action::kStore>(instruction, registers, builder, &op);
  return op;
}

Step Nothing(Warp&, const Op&, LaneMask) { return Step::kNext; }

// prefetch [a], prefetchu [a], applypriority [a], size, discard [a], size: of caches, which are not
// modelled.
Op BindHint(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder,
                   {"global", "local", "const", "param", "tensormap", "L1", "L2", "L2::evict_last",
                    "L2::evict_normal"});
  const bool sized = instruction.parts[0] == "applypriority" || instruction.parts[0] == "discard";
  RequireOperandCount(instruction, builder, sized ? 2 : 1);
  builder.Address(instruction.operands[0], instruction.Has("local")   ? MemorySpace::kLocal
                                           : instruction.Has("param") ? MemorySpace::kParam
                                                                      : MemorySpace::kGlobal);
  if (sized && builder.Constant(instruction, instruction.operands[1]) != 128) {
    builder.Fail(instruction, "a size other than 128");
  }
  Op op;
  op.execute = Nothing;
  return op;
}

// createpolicy: a value that only cache hints take.
Step ZeroPolicy(Warp& warp, const Op& op, LaneMask active) {
  ForLanes<uint64_t>(warp.Lanes<uint64_t>(op.slots[0]), active, [](int) { return uint64_t{0}; });
  return Step::kNext;
}

Op BindPolicy(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder,
                   {"fractional", "range", "cvt", "global", "L2", "L2::evict_last",
                    "L2::evict_normal", "L2::evict_first", "L2::evict_unchanged"});
  RequireOperandCount(instruction, builder, 1, 4);
  Op op;
  op.execute = ZeroPolicy;
  op.slots[0] = builder.Destination(instruction.operands[0], 64);
  return op;
}

}  // namespace

void RegisterMemoryOps(InstructionTable& table) {
  table.Add("ld", BindLoad);
  table.Add("ldu", BindLoad);
  table.Add("st", BindStore);
  table.Add("prefetch", BindHint);
  table.Add("prefetchu", BindHint);
  table.Add("applypriority", BindHint);
  table.Add("discard", BindHint);
  table.Add("createpolicy", BindPolicy);
}

}  // namespace emu
