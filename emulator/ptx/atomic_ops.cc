// atom and red.
#include <cstring>

#include "emulator/ptx/atomic_functors.h"
#include "emulator/ptx/bind_util.h"
#include "emulator/ptx/block.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/lanes.h"
#include "emulator/ptx/memory_access.h"

namespace emu {
namespace {

// Op: slots[0] the address; slots[1] the old value (or none); slots[2], slots[3] the operands;
// vector forms: extra.
struct VectorAtomic : OpExtra {
  std::vector<int32_t> old, value;  // slots, by element
};

// Replaces *at by f(*at), atomically towards other OS threads; gives the old value.
template <class Word, class F>
Word Update(std::byte* at, F f, bool* changed) {
  auto* const word = reinterpret_cast<Word*>(at);
  Word old = __atomic_load_n(word, __ATOMIC_SEQ_CST);
  while (true) {
    const Word next = f(old);
    if (__atomic_compare_exchange_n(word, &old, next, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
      *changed |= next != old;
      return old;
    }
  }
}

// An atomic that changed nothing may be a poll; or a maximum that is one already, a sum with 0.
Step AfterAtomic(Warp& warp, bool changed, bool shared) {
  if (!changed && shared) return warp.Polled(PollKind::kGang, 0, Warp::kLongPatience);
  if (!changed) return warp.Polled(PollKind::kGlobal);
  warp.Progress();
  return Step::kNext;
}

template <ResolveLanes resolve, class Word, class F>
Step Atomic(Warp& warp, const Op& op, LaneMask active) {
  LanePointers pointers;
  resolve(warp, op, active, sizeof(Word), AccessKind::kAtomic, &pointers);
  using Cell = CellOf<Word>;
  const Cell* const b = warp.Lanes<Cell>(op.slots[2]);
  const Cell* const c = op.slots[3] == kNoSlot ? b : warp.Lanes<Cell>(op.slots[3]);
  Cell* const d = op.slots[1] == kNoSlot ? nullptr : warp.Lanes<Cell>(op.slots[1]);
  bool changed = false;
  EachLane(active, [&](int lane) {
    const Word operand = LaneCell<Word>::Read(b[lane]), third = LaneCell<Word>::Read(c[lane]);
    const Word old = Update<Word>(
        pointers.at[lane], [=](Word value) { return F::Run(value, operand, third); }, &changed);
    if (d != nullptr) d[lane] = LaneCell<Word>::Write(old);
  });
  return AfterAtomic(warp, changed, resolve == ResolveShared);
}

template <class Word, class F>
Step AtomicVector(Warp& warp, const Op& op, LaneMask active) {
  const auto& vector = *static_cast<const VectorAtomic*>(op.extra);
  const size_t count = vector.value.size();
  LanePointers pointers;
  ResolveGlobal(warp, op, active, static_cast<uint32_t>(sizeof(Word) * count), AccessKind::kAtomic,
                &pointers);
  using Cell = CellOf<Word>;
  bool changed = false;
  EachLane(active, [&](int lane) {
    Word old[8];
    for (size_t i = 0; i < count; ++i) {
      const Word operand = LaneCell<Word>::Read(warp.Lanes<Cell>(vector.value[i])[lane]);
      old[i] = Update<Word>(
          pointers.at[lane] + i * sizeof(Word),
          [=](Word value) { return F::Run(value, operand, operand); }, &changed);
    }
    for (size_t i = 0; i < vector.old.size(); ++i) {
      if (vector.old[i] != kNoSlot) {
        warp.Lanes<Cell>(vector.old[i])[lane] = LaneCell<Word>::Write(old[i]);
      }
    }
  });
  return AfterAtomic(warp, changed, false);
}

// 128 bits: exchange and compare-and-swap, under one lock of the process.
template <ResolveLanes resolve, bool compare>
Step Atomic128(Warp& warp, const Op& op, LaneMask active) {
  LanePointers pointers;
  resolve(warp, op, active, 16, AccessKind::kAtomic, &pointers);
  bool changed = false;
  EachLane(active, [&](int lane) {
    auto row = [&](int32_t slot, int half) -> uint64_t& {
      return warp.Lanes<uint64_t>(slot)[half * kWarpSize + lane];
    };
    const std::lock_guard lock(Atomic128Mutex());
    uint64_t old[2], next[2];
    std::memcpy(old, pointers.at[lane], sizeof old);
    const bool swap = !compare || (old[0] == row(op.slots[2], 0) && old[1] == row(op.slots[2], 1));
    const int32_t source = compare ? op.slots[3] : op.slots[2];
    for (int half = 0; half < 2; ++half) next[half] = swap ? row(source, half) : old[half];
    changed |= std::memcmp(old, next, sizeof old) != 0;
    std::memcpy(pointers.at[lane], next, sizeof next);
    if (op.slots[1] != kNoSlot) {
      for (int half = 0; half < 2; ++half) row(op.slots[1], half) = old[half];
    }
  });
  return AfterAtomic(warp, changed, resolve == ResolveShared);
}

template <class Word, class F>
Execute PickSpace(MemorySpace space) {
  return space == MemorySpace::kShared ? Atomic<ResolveShared, Word, F>
                                       : Atomic<ResolveGlobal, Word, F>;
}

enum class AtomicOp : uint8_t {
  kAdd,
  kMin,
  kMax,
  kInc,
  kDec,
  kAnd,
  kOr,
  kXor,
  kExch,
  kCas,
};
constexpr struct {
  std::string_view name;
  AtomicOp op;
} kAtomicOps[] = {{"add", AtomicOp::kAdd}, {"min", AtomicOp::kMin}, {"max", AtomicOp::kMax},
                  {"inc", AtomicOp::kInc}, {"dec", AtomicOp::kDec}, {"and", AtomicOp::kAnd},
                  {"or", AtomicOp::kOr},   {"xor", AtomicOp::kXor}, {"exch", AtomicOp::kExch},
                  {"cas", AtomicOp::kCas}};

template <class T>
Execute PickInteger(AtomicOp op, MemorySpace space) {
  using Word = std::make_unsigned_t<T>;
  switch (op) {
    case AtomicOp::kAdd:
      return PickSpace<Word, AtomicAdd>(space);
    case AtomicOp::kMin:
      return PickSpace<Word, AtomicMin<T>>(space);
    case AtomicOp::kMax:
      return PickSpace<Word, AtomicMax<T>>(space);
    case AtomicOp::kInc:
      return PickSpace<Word, AtomicInc>(space);
    case AtomicOp::kDec:
      return PickSpace<Word, AtomicDec>(space);
    default:
      return nullptr;
  }
}

template <class Word>
Execute PickBits(AtomicOp op, MemorySpace space) {
  switch (op) {
    case AtomicOp::kAnd:
      return PickSpace<Word, AtomicAnd>(space);
    case AtomicOp::kOr:
      return PickSpace<Word, AtomicOr>(space);
    case AtomicOp::kXor:
      return PickSpace<Word, AtomicXor>(space);
    case AtomicOp::kExch:
      return PickSpace<Word, AtomicExchange>(space);
    case AtomicOp::kCas:
      return PickSpace<Word, AtomicCas>(space);
    default:
      return nullptr;
  }
}

Execute PickFloat(ScalarType type, AtomicOp op, MemorySpace space) {
  if (op != AtomicOp::kAdd) return nullptr;
  switch (type) {
    case ScalarType::kF32:
      return PickSpace<uint32_t, AtomicFloatAdd<float>>(space);
    case ScalarType::kF64:
      return PickSpace<uint64_t, AtomicFloatAdd<double>>(space);
    case ScalarType::kF16:
      return PickSpace<uint16_t, AtomicHalf<F16, FloatAdd>>(space);
    case ScalarType::kBf16:
      return PickSpace<uint16_t, AtomicHalf<Bf16, FloatAdd>>(space);
    case ScalarType::kF16x2:
      return PickSpace<uint32_t, AtomicHalves<F16, FloatAdd>>(space);
    case ScalarType::kBf16x2:
      return PickSpace<uint32_t, AtomicHalves<Bf16, FloatAdd>>(space);
    default:
      return nullptr;
  }
}

Execute Pick(ScalarType type, AtomicOp op, MemorySpace space) {
  switch (type) {
    case ScalarType::kU32:
      return PickInteger<uint32_t>(op, space);
    case ScalarType::kS32:
      return op == AtomicOp::kInc || op == AtomicOp::kDec ? nullptr
                                                          : PickInteger<int32_t>(op, space);
    case ScalarType::kU64:
      return PickInteger<uint64_t>(op, space);
    case ScalarType::kS64:
      return PickInteger<int64_t>(op, space);
    case ScalarType::kB16:
      return PickBits<uint16_t>(op, space);
    case ScalarType::kB32:
      return PickBits<uint32_t>(op, space);
    case ScalarType::kB64:
      return PickBits<uint64_t>(op, space);
    case ScalarType::kB128:
      if (op == AtomicOp::kExch) {
        return space == MemorySpace::kShared ? Atomic128<ResolveShared, false>
                                             : Atomic128<ResolveGlobal, false>;
      }
      if (op == AtomicOp::kCas) {
        return space == MemorySpace::kShared ? Atomic128<ResolveShared, true>
                                             : Atomic128<ResolveGlobal, true>;
      }
      return nullptr;
    default:
      return PickFloat(type, op, space);
  }
}

template <class H, bool pair>
Execute PickVectorHalf(AtomicOp op) {
  using Word = std::conditional_t<pair, uint32_t, uint16_t>;
  auto pick = [&]<class F>(F) -> Execute {
    if constexpr (pair) return AtomicVector<Word, AtomicHalves<H, F>>;
    if constexpr (!pair) return AtomicVector<Word, AtomicHalf<H, F>>;
  };
  switch (op) {
    case AtomicOp::kAdd:
      return pick(FloatAdd{});
    case AtomicOp::kMin:
      return pick(FloatMin{});
    case AtomicOp::kMax:
      return pick(FloatMax{});
    default:
      return nullptr;
  }
}

Execute PickVector(ScalarType type, AtomicOp op) {
  switch (type) {
    case ScalarType::kF32:
      return op == AtomicOp::kAdd ? AtomicVector<uint32_t, AtomicFloatAdd<float>> : nullptr;
    case ScalarType::kF16:
      return PickVectorHalf<F16, false>(op);
    case ScalarType::kBf16:
      return PickVectorHalf<Bf16, false>(op);
    case ScalarType::kF16x2:
      return PickVectorHalf<F16, true>(op);
    case ScalarType::kBf16x2:
      return PickVectorHalf<Bf16, true>(op);
    default:
      return nullptr;
  }
}

// red.async and atom forms on other state spaces have families of their own or fail here.
AtomicOp OperationOf(const ParsedInstruction& instruction, const KernelBuilder& builder) {
  RequireModifiers(instruction, builder,
                   {"relaxed",
                    "acquire",
                    "release",
                    "acq_rel",
                    "cta",
                    "cluster",
                    "gpu",
                    "sys",
                    "global",
                    "shared",
                    "shared::cta",
                    "shared::cluster",
                    "noftz",
                    "v2",
                    "v4",
                    "v8",
                    "L2::cache_hint",
                    "add",
                    "min",
                    "max",
                    "inc",
                    "dec",
                    "and",
                    "or",
                    "xor",
                    "exch",
                    "cas"});
  for (const auto& row : kAtomicOps) {
    if (instruction.Has(row.name)) return row.op;
  }
  builder.Fail(instruction, "unknown form");
}

Op BindVector(const ParsedInstruction& instruction, KernelBuilder& builder, AtomicOp operation,
              bool is_reduction) {
  const ScalarType type = instruction.type();
  const size_t count = instruction.Has("v8") ? 8 : instruction.Has("v4") ? 4 : 2;
  const Operand& value = instruction.operands[is_reduction ? 1 : 2];
  Op op;
  op.execute = PickVector(type, operation);
  if (op.execute == nullptr || value.elements.size() != count || BitsOf(type) / 8 * count > 16) {
    builder.Fail(instruction, "unknown form");
  }
  auto* extra = builder.NewExtra<VectorAtomic>();
  const ScalarType cell = BitsOf(type) == 16 ? ScalarType::kB16 : type;
  for (const Operand& element : value.elements) {
    extra->value.push_back(builder.Source(element, cell));
  }
  if (!is_reduction) {
    if (instruction.operands[0].elements.size() != count) {
      builder.Fail(instruction, "number of registers");
    }
    for (const Operand& element : instruction.operands[0].elements) {
      extra->old.push_back(builder.OptionalDestination(element, BitsOf(type)));
    }
  }
  op.extra = extra;
  return op;
}

Op BindAtomic(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const bool is_reduction = instruction.parts[0] == "red";
  const AtomicOp operation = OperationOf(instruction, builder);
  const ScalarType type = instruction.type();
  AccessMode mode = AccessModeOf(instruction);
  if (mode.order == Order::kWeak) mode.order = Order::kRelaxed;  // what none given means
  if (mode.order == Order::kRelaxed && !instruction.Has("sys") && !instruction.Has("cta") &&
      !instruction.Has("cluster")) {
    mode.scope = Scope::kGpu;
  }
  const size_t at = is_reduction ? 0 : 1;
  const size_t values = operation == AtomicOp::kCas ? 2 : 1;
  const size_t hint = instruction.Has("L2::cache_hint") ? 1 : 0;
  RequireOperandCount(instruction, builder, at + 1 + values + hint);
  Op op;
  if (instruction.Has("v2") || instruction.Has("v4") || instruction.Has("v8")) {
    op = BindVector(instruction, builder, operation, is_reduction);
  } else {
    op.execute = Pick(type, operation, mode.space);
    if (op.execute == nullptr) builder.Fail(instruction, "unknown form");
    for (size_t i = 0; i < values; ++i) {
      op.slots[2 + i] = builder.Source(instruction.operands[at + 1 + i], type);
    }
    if (!is_reduction) {
      op.slots[1] = builder.OptionalDestination(instruction.operands[0], BitsOf(type));
    }
  }
  BindAddress(instruction.operands[at], mode, builder, &op);
  return op;
}

}  // namespace

void RegisterAtomicOps(InstructionTable& table) {
  table.Add("atom", BindAtomic);
  table.Add("red", BindAtomic);
}

}  // namespace emu
