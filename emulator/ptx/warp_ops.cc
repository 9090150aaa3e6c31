// Between the lanes of a warp: shfl, vote, match, redux, elect, activemask. All but the last wait
// until the lanes of their member mask are there.
#include <bit>
#include <cstring>

#include "emulator/ptx/bind_util.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/lanes.h"

namespace emu {
namespace {

// An Op's function from one that works for the lanes of one member mask, which slots[mask] holds.
template <void (*lanes)(Warp&, const Op&, LaneMask), int mask>
Step ForMembers(Warp& warp, const Op& op, LaneMask active) {
  return warp.RunMembers(op.slots[mask], active,
                         [&](LaneMask members) { lanes(warp, op, members); });
}

enum class ShuffleMode : uint8_t { kUp, kDown, kButterfly, kIndex };

// Lane that `lane` reads, and whether that is within its segment. c: clamp in bits 0 to 4, segment
// mask in bits 8 to 12.
struct ShuffleSource {
  int lane;
  bool valid;
};

ShuffleSource SourceOf(ShuffleMode mode, int lane, uint32_t b, uint32_t c) {
  const int offset = static_cast<int>(b & 0x1f);
  const int clamp = static_cast<int>(c & 0x1f), segment = static_cast<int>(c >> 8 & 0x1f);
  const int highest = (lane & segment) | (clamp & ~segment);
  const int lowest = lane & segment;
  int source = lane;
  bool valid = false;
  switch (mode) {
    case ShuffleMode::kUp:
      source = lane - offset;
      valid = source >= highest;
      break;
    case ShuffleMode::kDown:
      source = lane + offset;
      valid = source <= highest;
      break;
    case ShuffleMode::kButterfly:
      source = lane ^ offset;
      valid = source <= highest;
      break;
    case ShuffleMode::kIndex:
      source = lowest | (offset & ~segment);
      valid = source <= highest;
      break;
  }
  return {valid ? source : lane, valid};
}

// slots: 0 result, 1 value, 2 b, 3 c, 4 members, 5 predicate.
void ShuffleLanes(Warp& warp, const Op& op, LaneMask active) {
  const auto mode = static_cast<ShuffleMode>(op.detail[0]);
  const uint32_t* b = warp.Lanes<uint32_t>(op.slots[2]);
  const uint32_t* c = warp.Lanes<uint32_t>(op.slots[3]);
  uint32_t in[kWarpSize], out[kWarpSize];
  std::memcpy(in, warp.Lanes<uint32_t>(op.slots[1]), sizeof in);
  LaneMask valid = 0;
  EachLane(active, [&](int lane) {
    const ShuffleSource source = SourceOf(mode, lane, b[lane], c[lane]);
    if (!(active >> source.lane & 1)) {
      throw Fault(FaultKind::kIllegalOperation, lane,
                  "shfl from lane " + std::to_string(source.lane) + ", which does not take part");
    }
    out[lane] = in[source.lane];
    valid |= static_cast<LaneMask>(source.valid) << lane;
  });
  if (op.slots[0] != kNoSlot) {
    ForLanes<uint32_t>(warp.Lanes<uint32_t>(op.slots[0]), active,
                       [&](int lane) { return out[lane]; });
  }
  if (op.slots[5] != kNoSlot) SetPredicate(warp.Predicate(op.slots[5]), active, valid);
}

Op BindShuffle(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"sync", "up", "down", "bfly", "idx"});
  RequireOperandCount(instruction, builder, 5);
  if (!instruction.Has("sync") || instruction.type() != ScalarType::kB32) {
    builder.Fail(instruction, "unknown form");
  }
  Op op;
  op.execute = ForMembers<ShuffleLanes, 4>;
  const ShuffleMode mode = instruction.Has("up")     ? ShuffleMode::kUp
                           : instruction.Has("down") ? ShuffleMode::kDown
                           : instruction.Has("bfly") ? ShuffleMode::kButterfly
                                                     : ShuffleMode::kIndex;
  op.detail[0] = static_cast<uint8_t>(mode);
  op.slots[0] = builder.OptionalDestination(instruction.operands[0], 32);
  if (const std::string_view second = instruction.operands[0].second; !second.empty()) {
    op.slots[5] = builder.Destination({.kind = Operand::Kind::kName, .name = second}, 1);
  }
  for (int i = 1; i < 5; ++i) op.slots[i] = builder.Source32(instruction.operands[i]);
  return op;
}

enum class VoteMode : uint8_t { kBallot, kAny, kAll, kUniform };

// slots: 0 result, 1 predicate, 2 members; detail[1]: predicate negated.
void VoteLanes(Warp& warp, const Op& op, LaneMask active) {
  LaneMask votes = warp.Predicate(op.slots[1]);
  if (op.detail[1]) votes = ~votes;
  votes &= active;
  bool holds = false;
  switch (static_cast<VoteMode>(op.detail[0])) {
    case VoteMode::kBallot:
      ForLanes<uint32_t>(warp.Lanes<uint32_t>(op.slots[0]), active, [=](int) { return votes; });
      return;
    case VoteMode::kAny:
      holds = votes != 0;
      break;
    case VoteMode::kAll:
      holds = votes == active;
      break;
    case VoteMode::kUniform:
      holds = votes == 0 || votes == active;
      break;
  }
  SetPredicate(warp.Predicate(op.slots[0]), active, holds ? kAllLanes : 0);
}

Op BindVote(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"sync", "ballot", "any", "all", "uni"});
  RequireOperandCount(instruction, builder, 3);
  if (!instruction.Has("sync")) builder.Fail(instruction, "unknown form");
  Op op;
  op.execute = ForMembers<VoteLanes, 2>;
  const VoteMode mode = instruction.Has("ballot") ? VoteMode::kBallot
                        : instruction.Has("any")  ? VoteMode::kAny
                        : instruction.Has("all")  ? VoteMode::kAll
                                                  : VoteMode::kUniform;
  op.detail[0] = static_cast<uint8_t>(mode);
  op.slots[0] = builder.Destination(instruction.operands[0], mode == VoteMode::kBallot ? 32 : 1);
  op.slots[1] = builder.Predicate(instruction.operands[1]);
  op.detail[1] = instruction.operands[1].negated;
  op.slots[2] = builder.Source32(instruction.operands[2]);
  return op;
}

// slots: 0 mask of lanes, 1 value, 2 members, 3 predicate (all); detail[0]: all.
template <class T>
void MatchLanes(Warp& warp, const Op& op, LaneMask active) {
  T values[kWarpSize];
  std::memcpy(values, warp.Lanes<T>(op.slots[1]), sizeof values);
  LaneMask same[kWarpSize] = {};
  EachLane(active, [&](int lane) {
    same[lane] = active & MaskOf([&](int other) { return values[other] == values[lane]; });
  });
  const bool all = op.detail[0];
  const bool agree = same[std::countr_zero(active)] == active;
  if (op.slots[0] != kNoSlot) {
    ForLanes<uint32_t>(warp.Lanes<uint32_t>(op.slots[0]), active,
                       [&](int lane) { return all ? (agree ? active : 0) : same[lane]; });
  }
  if (op.slots[3] != kNoSlot) {
    SetPredicate(warp.Predicate(op.slots[3]), active, agree ? kAllLanes : 0);
  }
}

Op BindMatch(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"sync", "any", "all"});
  RequireOperandCount(instruction, builder, 3);
  const ScalarType type = instruction.type();
  if (!instruction.Has("sync") || (type != ScalarType::kB32 && type != ScalarType::kB64) ||
      instruction.Has("any") == instruction.Has("all")) {
    builder.Fail(instruction, "unknown form");
  }
  Op op;
  op.execute = BitsOf(type) == 64 ? ForMembers<MatchLanes<uint64_t>, 2>
                                  : ForMembers<MatchLanes<uint32_t>, 2>;
  op.detail[0] = instruction.Has("all");
  op.slots[0] = builder.OptionalDestination(instruction.operands[0], 32);
  if (const std::string_view second = instruction.operands[0].second; !second.empty()) {
    op.slots[3] = builder.Destination({.kind = Operand::Kind::kName, .name = second}, 1);
  }
  op.slots[1] = builder.Source(instruction.operands[1], type);
  op.slots[2] = builder.Source32(instruction.operands[2]);
  return op;
}

enum class ReduceMode : uint8_t { kAdd, kMin, kMax, kAnd, kOr, kXor };

// slots: 0 result, 1 value, 2 members.
template <class T>
void ReduceLanes(Warp& warp, const Op& op, LaneMask active) {
  const T* values = warp.Lanes<T>(op.slots[1]);
  T result = values[std::countr_zero(active)];
  EachLane(active & (active - 1), [&](int lane) {
    const T value = values[lane];
    switch (static_cast<ReduceMode>(op.detail[0])) {
      case ReduceMode::kAdd:
        result = static_cast<T>(static_cast<uint32_t>(result) + static_cast<uint32_t>(value));
        break;
      case ReduceMode::kMin:
        result = std::min(result, value);
        break;
      case ReduceMode::kMax:
        result = std::max(result, value);
        break;
      case ReduceMode::kAnd:
        result &= value;
        break;
      case ReduceMode::kOr:
        result |= value;
        break;
      case ReduceMode::kXor:
        result ^= value;
        break;
    }
  });
  ForLanes<T>(warp.Lanes<T>(op.slots[0]), active, [=](int) { return result; });
}

Op BindReduce(const ParsedInstruction& instruction, KernelBuilder& builder) {
  static constexpr std::string_view kNames[] = {"add", "min", "max", "and", "or", "xor"};
  RequireModifiers(instruction, builder, {"sync", "add", "min", "max", "and", "or", "xor"});
  const ScalarType type = instruction.type();
  const auto* name = std::find_if(std::begin(kNames), std::end(kNames),
                                  [&](std::string_view n) { return instruction.Has(n); });
  const bool bits = type == ScalarType::kB32,
             number = type == ScalarType::kU32 || type == ScalarType::kS32;
  const bool bitwise = name - std::begin(kNames) >= 3;
  if (name == std::end(kNames) || !(bitwise ? bits : number)) {
    builder.Fail(instruction, "unknown form");
  }
  Op op = BindSimple(instruction, builder,
                     type == ScalarType::kS32 ? ForMembers<ReduceLanes<int32_t>, 2>
                                              : ForMembers<ReduceLanes<uint32_t>, 2>,
                     type, {type, ScalarType::kB32});
  op.detail[0] = static_cast<uint8_t>(name - std::begin(kNames));
  return op;
}

// slots: 0 leader or none, 1 predicate, 2 members.
void ElectLanes(Warp& warp, const Op& op, LaneMask active) {
  const int leader = std::countr_zero(active);
  if (op.slots[0] != kNoSlot) {
    ForLanes<uint32_t>(warp.Lanes<uint32_t>(op.slots[0]), active,
                       [=](int) { return static_cast<uint32_t>(leader); });
  }
  if (op.slots[1] != kNoSlot) {
    SetPredicate(warp.Predicate(op.slots[1]), active, LaneMask{1} << leader);
  }
}

Op BindElect(const ParsedInstruction& instruction, KernelBuilder& builder) {
  RequireModifiers(instruction, builder, {"sync"});
  RequireOperandCount(instruction, builder, 2);
  Op op;
  op.execute = ForMembers<ElectLanes, 2>;
  op.slots[0] = builder.OptionalDestination(instruction.operands[0], 32);
  if (const std::string_view second = instruction.operands[0].second; !second.empty()) {
    op.slots[1] = builder.Destination({.kind = Operand::Kind::kName, .name = second}, 1);
  }
  op.slots[2] = builder.Source32(instruction.operands[1]);
  return op;
}

Step ActiveMask(Warp& warp, const Op& op, LaneMask active) {
  ForLanes<uint32_t>(warp.Lanes<uint32_t>(op.slots[0]), active, [=](int) { return active; });
  return Step::kNext;
}

Op BindActiveMask(const ParsedInstruction& instruction, KernelBuilder& builder) {
  return BindSimple(instruction, builder, ActiveMask, ScalarType::kB32, {});
}

}  // namespace

void RegisterWarpOps(InstructionTable& table) {
  table.Add("shfl", BindShuffle);
  table.Add("vote", BindVote);
  table.Add("match", BindMatch);
  table.Add("redux", BindReduce);
  table.Add("elect", BindElect);
  table.Add("activemask", BindActiveMask);
}

}  // namespace emu
