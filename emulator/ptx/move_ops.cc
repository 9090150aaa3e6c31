// mov with packing and unpacking, cvta, isspacep, mapa, getctarank, clocks.
#include <chrono>
#include <cstring>

#include "emulator/ptx/bind_util.h"
#include "emulator/ptx/block.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/lanes.h"
#include "emulator/ptx/shared_window.h"

namespace emu {
namespace {

template <class T>
struct Same {
  static T Run(T a) { return a; }
};

Step MovePredicate(Warp& warp, const Op& op, LaneMask active) {
  const LaneMask source = warp.Predicate(op.slots[1]);
  SetPredicate(warp.Predicate(op.slots[0]), active, op.detail[0] ? ~source : source);
  return Step::kNext;
}

// 128-bit registers are two rows of 64 bits.
Step Move128(Warp& warp, const Op& op, LaneMask active) {
  for (int half = 0; half < 2; ++half) {
    const uint64_t* a = warp.Lanes<uint64_t>(op.slots[1]) + half * kWarpSize;
    ForLanes<uint64_t>(warp.Lanes<uint64_t>(op.slots[0]) + half * kWarpSize, active,
                       [=](int lane) { return a[lane]; });
  }
  return Step::kNext;
}

// mov.bN d, {a, b, ...} and back. detail[0]: elements, detail[1]: bits of each; slots[0]: the
// whole, slots[1...]: the parts.
template <class Part, class Whole, int count>
Step Pack(Warp& warp, const Op& op, LaneMask active) {
  const CellOf<Part>* parts[count];
  for (int i = 0; i < count; ++i) parts[i] = warp.Lanes<CellOf<Part>>(op.slots[1 + i]);
  ForLanes<Whole>(warp.Lanes<CellOf<Whole>>(op.slots[0]), active, [&](int lane) {
    Whole whole = 0;
    for (int i = 0; i < count; ++i) {
      whole |= static_cast<Whole>(static_cast<Whole>(LaneCell<Part>::Read(parts[i][lane]))
                                  << (8 * sizeof(Part) * i));
    }
    return whole;
  });
  return Step::kNext;
}

template <class Part, class Whole, int count>
Step Unpack(Warp& warp, const Op& op, LaneMask active) {
  // The whole may share its register with a part's.
  alignas(64) CellOf<Whole> copy[kWarpSize];
  std::memcpy(copy, warp.Lanes<CellOf<Whole>>(op.slots[0]), sizeof copy);
  for (int i = 0; i < count; ++i) {
    if (op.slots[1 + i] == kNoSlot) continue;
    ForLanes<Part>(warp.Lanes<CellOf<Part>>(op.slots[1 + i]), active, [&](int lane) {
      return static_cast<Part>(LaneCell<Whole>::Read(copy[lane]) >> (8 * sizeof(Part) * i));
    });
  }
  return Step::kNext;
}

// {lo64, hi64} and a 128-bit register.
Step Pack128(Warp& warp, const Op& op, LaneMask active) {
  for (int half = 0; half < 2; ++half) {
    const uint64_t* part = warp.Lanes<uint64_t>(op.slots[1 + half]);
    ForLanes<uint64_t>(warp.Lanes<uint64_t>(op.slots[0]) + half * kWarpSize, active,
                       [=](int lane) { return part[lane]; });
  }
  return Step::kNext;
}
Step Unpack128(Warp& warp, const Op& op, LaneMask active) {
  for (int half = 0; half < 2; ++half) {
    if (op.slots[1 + half] == kNoSlot) continue;
    const uint64_t* whole = warp.Lanes<uint64_t>(op.slots[0]) + half * kWarpSize;
    ForLanes<uint64_t>(warp.Lanes<uint64_t>(op.slots[1 + half]), active,
                       [=](int lane) { return whole[lane]; });
  }
  return Step::kNext;
}

struct PackForm {
  uint32_t whole_bits, count;
  Execute pack, unpack;
};
constexpr PackForm kPackForms[] = {
    {16, 2, Pack<uint8_t, uint16_t, 2>, Unpack<uint8_t, uint16_t, 2>},
    {32, 2, Pack<uint16_t, uint32_t, 2>, Unpack<uint16_t, uint32_t, 2>},
    {32, 4, Pack<uint8_t, uint32_t, 4>, Unpack<uint8_t, uint32_t, 4>},
    {64, 2, Pack<uint32_t, uint64_t, 2>, Unpack<uint32_t, uint64_t, 2>},
    {64, 4, Pack<uint16_t, uint64_t, 4>, Unpack<uint16_t, uint64_t, 4>},
    {128, 2, Pack128, Unpack128},
};

Op BindPack(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const bool unpack = instruction.operands[0].kind == Operand::Kind::kVector;
  const Operand& whole = instruction.operands[unpack ? 1 : 0];
  const std::vector<Operand>& parts = instruction.operands[unpack ? 0 : 1].elements;
  const uint32_t bits = BitsOf(instruction.type());
  for (const PackForm& form : kPackForms) {
    if (form.whole_bits != bits || form.count != parts.size()) continue;
    Op op;
    op.execute = unpack ? form.unpack : form.pack;
    const uint32_t part_bits = bits / form.count;
    const ScalarType part = part_bits == 64 ? ScalarType::kB64 : ScalarType::kB32;
    op.slots[0] =
        unpack ? builder.Source(whole, instruction.type()) : builder.Destination(whole, bits);
    for (size_t i = 0; i < parts.size(); ++i) {
      op.slots[1 + i] = unpack ? builder.OptionalDestination(parts[i], part_bits)
                               : builder.Source(parts[i], part);
    }
    return op;
  }
  builder.Fail(instruction, "unknown form");
}

// Clocks of the host: they go up, and say nothing about a GPU.
template <class T>
Step ReadClock(Warp& warp, const Op& op, LaneMask active) {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto ticks =
      static_cast<T>(std::chrono::duration_cast<std::chrono::nanoseconds>(now).count());
  ForLanes<T>(warp.Lanes<T>(op.slots[0]), active, [=](int) { return ticks; });
  return Step::kNext;
}

Op BindClock(const ParsedInstruction& instruction, KernelBuilder& builder) {
  Op op;
  const uint32_t bits = BitsOf(instruction.type());
  op.execute = bits == 64 ? ReadClock<uint64_t> : ReadClock<uint32_t>;
  op.slots[0] = builder.Destination(instruction.operands[0], bits);
  return op;
}

bool IsClock(std::string_view name) {
  return name == "%clock" || name == "%clock64" || name == "%clock_hi" || name == "%globaltimer" ||
         name == "%globaltimer_lo" || name == "%globaltimer_hi";
}

Op BindMove(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {});
  RequireOperandCount(instruction, builder, 2);
  const ScalarType type = instruction.type();
  if (instruction.operands[0].kind == Operand::Kind::kVector ||
      instruction.operands[1].kind == Operand::Kind::kVector) {
    return BindPack(instruction, builder);
  }
  if (IsClock(instruction.operands[1].name)) return BindClock(instruction, builder);
  if (type == ScalarType::kPred) {
    Op op;
    op.execute = MovePredicate;
    op.slots[0] = builder.Destination(instruction.operands[0], 1);
    op.slots[1] = builder.Predicate(instruction.operands[1]);
    op.detail[0] = instruction.operands[1].negated;
    return op;
  }
  const uint32_t bits = BitsOf(type);
  const Execute execute = bits == 128  ? Move128
                          : bits == 64 ? Lanewise1<uint64_t, Same<uint64_t>, uint64_t>
                                       : Lanewise1<uint32_t, Same<uint32_t>, uint32_t>;
  return BindSimple(instruction, builder, execute, type, {type});
}

// --- address spaces ---

Step SharedToGeneric(Warp& warp, const Op& op, LaneMask active) {
  return Map1<uint64_t, uint64_t>(warp, op, active, [](uint64_t a) { return a + kSharedWindow; });
}
Step GenericToShared(Warp& warp, const Op& op, LaneMask active) {
  return Map1<uint64_t, uint64_t>(warp, op, active, [](uint64_t a) { return a - kSharedWindow; });
}
template <bool to_generic>
Step ConvertLocal(Warp& warp, const Op& op, LaneMask active) {
  const uint64_t* a = warp.Lanes<uint64_t>(op.slots[1]);
  ForLanes<uint64_t>(warp.Lanes<uint64_t>(op.slots[0]), active, [&](int lane) {
    const auto base = reinterpret_cast<uint64_t>(warp.local(lane));
    return to_generic ? a[lane] + base : a[lane] - base;
  });
  return Step::kNext;
}

Op BindConvertAddress(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder,
                   {"to", "global", "const", "param", "param::entry", "shared", "shared::cta",
                    "shared::cluster", "local"});
  const bool to = instruction.Has("to");
  const bool shared = instruction.Has("shared") || instruction.Has("shared::cta") ||
                      instruction.Has("shared::cluster");
  Execute execute = Lanewise1<uint64_t, Same<uint64_t>, uint64_t>;
  if (shared) execute = to ? GenericToShared : SharedToGeneric;
  if (instruction.Has("local")) execute = to ? ConvertLocal<false> : ConvertLocal<true>;
  const ScalarType type = instruction.type();
  if (BitsOf(type) != 64) builder.Fail(instruction, "unknown form");
  return BindSimple(instruction, builder, execute, type, {type});
}

enum class Space : uint8_t { kShared, kCluster, kLocal, kConst, kGlobal, kParam };

bool IsIn(const Warp& warp, uint64_t address, Space space, int lane) {
  const bool shared = IsSharedGeneric(address);
  const bool own = shared && ((address >> 24 & 0xff) == 0 ||
                              (address >> 24 & 0xff) == warp.block().cluster_rank() + 1);
  const uint64_t from_local = address - reinterpret_cast<uint64_t>(warp.local(lane));
  const bool local = from_local < warp.local_bytes();
  const auto params = reinterpret_cast<uint64_t>(warp.block().launch().params);
  const bool param = address - params < warp.kernel().param_bytes();
  switch (space) {
    case Space::kShared:
      return own;
    case Space::kCluster:
      return shared;
    case Space::kLocal:
      return local;
    case Space::kParam:
      return param;
    case Space::kConst:
      return false;
    case Space::kGlobal:
      return !shared && !local && !param;
  }
  return false;
}

Step TestSpace(Warp& warp, const Op& op, LaneMask active) {
  const uint64_t* a = warp.Lanes<uint64_t>(op.slots[1]);
  const auto space = static_cast<Space>(op.detail[0]);
  SetPredicate(warp.Predicate(op.slots[0]), active,
               MaskOf([&](int lane) { return IsIn(warp, a[lane], space, lane); }));
  return Step::kNext;
}

Op BindTestSpace(const ParsedInstruction& instruction, KernelBuilder& builder) {
  static constexpr struct {
    std::string_view name;
    Space space;
  } kSpaces[] = {{"shared", Space::kShared},
                 {"shared::cta", Space::kShared},
                 {"shared::cluster", Space::kCluster},
                 {"local", Space::kLocal},
                 {"const", Space::kConst},
                 {"global", Space::kGlobal},
                 {"param", Space::kParam},
                 {"param::entry", Space::kParam}};
  for (const auto& row : kSpaces) {
    if (instruction.parts.size() != 2 || instruction.parts[1] != row.name) continue;
    Op op = BindSimple(instruction, builder, TestSpace, ScalarType::kPred, {ScalarType::kU64});
    op.detail[0] = static_cast<uint8_t>(row.space);
    return op;
  }
  builder.Fail(instruction, "unknown form");
}

// mapa: the same place in the shared memory of another block of the cluster.
template <class T, bool generic>
Step MapAddress(Warp& warp, const Op& op, LaneMask active) {
  const T* a = warp.Lanes<T>(op.slots[1]);
  const uint32_t* rank = warp.Lanes<uint32_t>(op.slots[2]);
  const uint64_t window = generic ? kSharedWindow : 0;
  const size_t size = warp.block().cluster()->blocks.size();
  EachLane(active, [&](int lane) {
    if (rank[lane] >= size) {
      throw Fault(FaultKind::kIllegalOperation, lane,
                  "mapa to rank " + std::to_string(rank[lane]) + " of a cluster of " +
                      std::to_string(size));
    }
  });
  ForLanes<T>(warp.Lanes<T>(op.slots[0]), active, [=](int lane) {
    return static_cast<T>(
        window + ClusterSharedAddress(static_cast<uint32_t>(a[lane] - window), rank[lane]));
  });
  return Step::kNext;
}

Op BindMapAddress(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"shared::cluster"});
  const ScalarType type = instruction.type();
  const bool wide = BitsOf(type) == 64, generic = !instruction.Has("shared::cluster");
  const Execute execute = !wide     ? (generic ? nullptr : MapAddress<uint32_t, false>)
                          : generic ? MapAddress<uint64_t, true>
                                    : MapAddress<uint64_t, false>;
  return BindSimple(instruction, builder, execute, type, {type, ScalarType::kU32});
}

template <class T>
Step RankOfAddress(Warp& warp, const Op& op, LaneMask active) {
  const T* a = warp.Lanes<T>(op.slots[1]);
  const uint32_t own = warp.block().cluster_rank();
  ForLanes<uint32_t>(warp.Lanes<uint32_t>(op.slots[0]), active, [=](int lane) {
    const auto window = static_cast<uint32_t>(a[lane] >> 24) & 0xff;
    return window == 0 ? own : window - 1;
  });
  return Step::kNext;
}

Op BindRankOfAddress(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"shared::cluster"});
  const ScalarType type = instruction.type();
  return BindSimple(instruction, builder,
                    BitsOf(type) == 64 ? RankOfAddress<uint64_t> : RankOfAddress<uint32_t>,
                    ScalarType::kU32, {type});
}

}  // namespace

void RegisterMoveOps(InstructionTable& table) {
  table.Add("mov", BindMove);
  table.Add("cvta", BindConvertAddress);
  table.Add("isspacep", BindTestSpace);
  table.Add("mapa", BindMapAddress);
  table.Add("getctarank", BindRankOfAddress);
}

}  // namespace emu
