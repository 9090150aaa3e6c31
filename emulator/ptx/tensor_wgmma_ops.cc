// wgmma.mma_async and its fence, commit and wait. What a warpgroup's operation is and when it runs:
// warpgroup.h. What it computes: tensor_wgmma.h.
#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "emulator/ptx/block.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/kernel_builder.h"
#include "emulator/ptx/tensor_wgmma.h"
#include "emulator/ptx/warp.h"

namespace emu {
namespace {

struct WgmmaExtra : OpExtra {
  WgmmaShape shape;
  std::vector<int32_t> d;                                           // n / 2 slots
  std::array<int32_t, 4> a = {kNoSlot, kNoSlot, kNoSlot, kNoSlot};  // RS
  int32_t a_descriptor = kNoSlot;                                   // SS
  int32_t b_descriptor = kNoSlot;
  int32_t add = kNoSlot;  // predicate; kNoSlot: `add_constant`
  bool add_negated = false;
  bool add_constant = true;
};

using Fragments = std::array<std::array<uint32_t, kMacLanes>, 4>;

struct Part : WarpgroupPart {
  uint64_t a_descriptor = 0;
  uint64_t b_descriptor = 0;
  bool add = true;
  Fragments a = {};

  void Run(const std::array<WarpgroupPart*, kWarpsPerGroup>& parts, AsyncId id) override;
};

const WgmmaExtra& ExtraOf(const Op& op) { return static_cast<const WgmmaExtra&>(*op.extra); }

void CheckAlike(const Part& first, const Part& other) {
  const bool alike = first.op == other.op && first.a_descriptor == other.a_descriptor &&
                     first.b_descriptor == other.b_descriptor && first.add == other.add;
  if (alike) return;
  throw Fault(FaultKind::kIllegalOperation,
              std::string("the warps of one warpgroup issued different ") +
                  (first.op == other.op ? "operands of one wgmma" : "wgmma instructions") +
                  ": warps " + std::to_string(first.warp->index()) + " and " +
                  std::to_string(other.warp->index()));
}

// Tells the observer what an operation reads: each run of neighbouring chunks once.
void AnnounceReads(const Block& block, std::vector<uint32_t> chunks, AsyncId id) {
  std::sort(chunks.begin(), chunks.end());
  for (size_t i = 0; i < chunks.size();) {
    const uint32_t begin = chunks[i];
    uint32_t end = begin + kChunkBytes;
    for (++i; i < chunks.size() && chunks[i] <= end; ++i) {
      end = std::max(end, chunks[i] + kChunkBytes);
    }
    block.observer()->OnAsyncAccess(id, AccessKind::kLoad, Proxy::kAsync,
                                    {MemorySpace::kShared, &block, begin, end - begin});
  }
}

void Part::Run(const std::array<WarpgroupPart*, kWarpsPerGroup>& parts, AsyncId id) {
  const WgmmaExtra& extra = ExtraOf(*op);
  const WgmmaShape& shape = extra.shape;
  const Block& block = warp->block();
  std::array<Fragments, kWarpsPerGroup> fragments;
  float* registers[kWarpsPerGroup][kMacMaxN / 2];
  std::array<float* const*, kWarpsPerGroup> d;
  for (size_t w = 0; w < kWarpsPerGroup; ++w) {
    const auto& part = static_cast<const Part&>(*parts[w]);
    CheckAlike(*this, part);
    if (shape.a_in_registers) fragments[w] = part.a;
    for (size_t r = 0; r < extra.d.size(); ++r) {
      registers[w][r] = part.warp->Lanes<float>(extra.d[r]);
    }
    d[w] = registers[w];
  }
  WgmmaOperands operands;
  operands.a_descriptor = a_descriptor;
  operands.b_descriptor = b_descriptor;
  operands.a_registers = &fragments;
  operands.add = add;
  operands.h100 = block.launch().options->numerics == Numerics::kH100;
  static thread_local std::vector<uint32_t> chunks;
  chunks.clear();
  const std::string wrong = ListOperands(shape, operands, block.shared_bytes(), &chunks);
  if (!wrong.empty()) throw Fault(FaultKind::kIllegalAddress, wrong);
  if (block.observer() != nullptr) {
    AnnounceReads(block, chunks, id);
    block.observer()->OnTensorWork(uint64_t{kWgmmaM} * static_cast<uint64_t>(shape.n * shape.k),
                                   /*warpgroup=*/true);
  }
  RunWgmma(shape, operands, block.shared(), chunks, d);
}

uint64_t UniformDescriptor(const Warp& warp, int32_t slot) {
  const uint64_t* lanes = warp.Lanes<uint64_t>(slot);
  for (int lane = 1; lane < kWarpSize; ++lane) {
    if (lanes[lane] != lanes[0]) {
      throw Fault(FaultKind::kIllegalOperation, lane,
                  "a wgmma descriptor differs between lanes of a warp");
    }
  }
  return lanes[0];
}

bool UniformAdd(const Warp& warp, const WgmmaExtra& extra) {
  if (extra.add == kNoSlot) return extra.add_constant;
  const LaneMask mask = warp.Predicate(extra.add);
  if (mask != 0 && mask != kAllLanes) {
    throw Fault(FaultKind::kIllegalOperation, "wgmma's scale-d differs between lanes of a warp");
  }
  return (mask != 0) != extra.add_negated;
}

// All lanes of the warp are here; false: wait for them.
bool WholeWarp(const Warp& warp, LaneMask active) {
  if (!warp.AllPresent(active)) return false;
  if (active == kAllLanes) return true;
  throw Fault(FaultKind::kIllegalOperation, "wgmma in a warp of which lanes have exited");
}

Step ExecuteWgmma(Warp& warp, const Op& op, LaneMask active) {
  if (!WholeWarp(warp, active)) return Step::kRetry;
  const WgmmaExtra& extra = ExtraOf(op);
  auto part = std::make_unique<Part>();
  part->warp = &warp;
  part->op = &op;
  part->b_descriptor = UniformDescriptor(warp, extra.b_descriptor);
  part->add = UniformAdd(warp, extra);
  if (extra.shape.a_in_registers) {
    for (size_t r = 0; r < part->a.size(); ++r) {
      std::memcpy(part->a[r].data(), warp.Lanes<uint32_t>(extra.a[r]), sizeof(part->a[r]));
    }
  } else {
    part->a_descriptor = UniformDescriptor(warp, extra.a_descriptor);
  }
  warp.block().WarpgroupOf(warp).Issue(std::move(part));
  return Step::kNext;
}

Step ExecuteFence(Warp& warp, const Op&, LaneMask active) {
  if (!WholeWarp(warp, active)) return Step::kRetry;
  if (Observer* observer = warp.block().observer(); observer != nullptr) {
    observer->OnFence(warp, active, FenceKind::kWgmma, Order::kWeak, Scope::kCta);
  }
  return Step::kNext;
}

Step ExecuteCommit(Warp& warp, const Op&, LaneMask active) {
  if (!WholeWarp(warp, active)) return Step::kRetry;
  warp.block().WarpgroupOf(warp).Commit(warp);
  return Step::kNext;
}

Step ExecuteWait(Warp& warp, const Op& op, LaneMask active) {
  if (!WholeWarp(warp, active)) return Step::kRetry;
  const auto keep = static_cast<uint32_t>(op.immediate);
  return warp.block().WarpgroupOf(warp).Wait(warp, keep) ? Step::kNext : Step::kRetry;
}

// --- binding ---

// "m64nNkK" with a legal N; K must be 32 bytes.
bool ParseShape(std::string_view text, WgmmaShape* shape) {
  if (text.substr(0, 4) != "m64n") return false;
  const size_t k_at = text.find('k');
  if (k_at == std::string_view::npos) return false;
  const auto number = [](std::string_view digits) {
    int value = 0;
    for (const char c : digits)
      value = c >= '0' && c <= '9' && value < 1000 ? value * 10 + c - '0' : 1000;
    return value;
  };
  shape->n = number(text.substr(4, k_at - 4));
  shape->k = number(text.substr(k_at + 1));
  return shape->n >= 8 && shape->n <= kMacMaxN && shape->n % 8 == 0 &&
         shape->k * TraitsOf(shape->a_format).bytes == 32;
}

bool ParseTypes(const ParsedInstruction& instruction, WgmmaShape* shape) {
  const auto& parts = instruction.parts;
  if (parts.size() != 8 || parts[2] != "sync" || parts[3] != "aligned" || parts[5] != "f32" ||
      !ParseFormat(parts[6], &shape->a_format) || !ParseFormat(parts[7], &shape->b_format)) {
    return false;
  }
  const bool bytes = TraitsOf(shape->a_format).bytes == 1 && TraitsOf(shape->b_format).bytes == 1;
  if (shape->a_format != shape->b_format && !bytes) return false;
  shape->rules = StepRulesOf(shape->a_format, shape->b_format);
  return ParseShape(parts[4], shape);
}

void BindAccumulators(const ParsedInstruction& instruction, KernelBuilder& builder,
                      WgmmaExtra* extra) {
  const Operand& vector = instruction.operands[0];
  const auto count = static_cast<size_t>(extra->shape.n / 2);
  if (vector.kind != Operand::Kind::kVector || vector.elements.size() != count) {
    builder.Fail(instruction, "expected " + std::to_string(count) + " accumulators");
  }
  for (const Operand& element : vector.elements) {
    extra->d.push_back(builder.Destination(element, 32));
  }
}

void BindA(const ParsedInstruction& instruction, KernelBuilder& builder, WgmmaExtra* extra) {
  const Operand& operand = instruction.operands[1];
  extra->shape.a_in_registers = operand.kind == Operand::Kind::kVector;
  if (!extra->shape.a_in_registers) {
    extra->a_descriptor = builder.Source64(operand);
    return;
  }
  if (operand.elements.size() != extra->a.size()) {
    builder.Fail(instruction, "expected four registers of A");
  }
  for (size_t r = 0; r < extra->a.size(); ++r) {
    extra->a[r] = builder.Source32(operand.elements[r]);
  }
}

void BindScaleD(const ParsedInstruction& instruction, KernelBuilder& builder, WgmmaExtra* extra) {
  const Operand& operand = instruction.operands[3];
  if (operand.kind == Operand::Kind::kInteger) {
    extra->add_constant = operand.bits != 0;
    return;
  }
  extra->add = builder.Predicate(operand);
  extra->add_negated = operand.negated;
}

// wgmma.mma_async.sync.aligned.shape.f32.A.B d, a, b, scale-d, imm-scale-a, imm-scale-b
//     [, imm-trans-a (SS only), imm-trans-b]
Op BindWgmma(const ParsedInstruction& instruction, KernelBuilder& builder) {
  auto* extra = builder.NewExtra<WgmmaExtra>();
  WgmmaShape& shape = extra->shape;
  if (!ParseTypes(instruction, &shape)) {
    builder.Fail(instruction, "unknown form of wgmma.mma_async");
  }
  const auto& operands = instruction.operands;
  if (operands.size() < 6) builder.Fail(instruction, "wgmma.mma_async needs six operands");
  BindAccumulators(instruction, builder, extra);
  BindA(instruction, builder, extra);
  extra->b_descriptor = builder.Source64(operands[2]);
  BindScaleD(instruction, builder, extra);
  for (size_t i = 4; i < 6; ++i) {
    const int64_t scale = builder.Constant(instruction, operands[i]);
    if (scale != 1 && scale != -1) builder.Fail(instruction, "imm-scale must be 1 or -1");
    shape.scale *= static_cast<float>(scale);
  }
  const bool transposable = TraitsOf(shape.a_format).bytes == 2;
  const size_t trans = !transposable ? 0 : shape.a_in_registers ? 1 : 2;
  if (operands.size() != 6 + trans) {
    builder.Fail(instruction, "wrong number of operands of wgmma.mma_async");
  }
  std::array<bool, 2> transposed = {};
  for (size_t i = 0; i < trans; ++i) {
    const int64_t value = builder.Constant(instruction, operands[6 + i]);
    if (value != 0 && value != 1) builder.Fail(instruction, "imm-trans must be 0 or 1");
    transposed[i] = value == 1;
  }
  shape.a_mn_major = trans == 2 && transposed[0];
  shape.b_mn_major = trans == 2 ? transposed[1] : transposed[0];
  Op op;
  op.execute = ExecuteWgmma;
  op.extra = extra;
  return op;
}

template <Execute kExecute>
Op BindPlain(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const auto& parts = instruction.parts;
  if (parts.size() != 4 || parts[2] != "sync" || parts[3] != "aligned" ||
      !instruction.operands.empty()) {
    builder.Fail(instruction, "unknown form of a wgmma instruction");
  }
  Op op;
  op.execute = kExecute;
  return op;
}

Op BindWait(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const auto& parts = instruction.parts;
  if (parts.size() != 4 || parts[2] != "sync" || parts[3] != "aligned" ||
      instruction.operands.size() != 1) {
    builder.Fail(instruction, "unknown form of wgmma.wait_group");
  }
  Op op;
  op.execute = ExecuteWait;
  op.immediate = builder.Constant(instruction, instruction.operands[0]);
  return op;
}

}  // namespace

void RegisterWgmmaOps(InstructionTable& table) {
  table.Add("wgmma.mma_async", BindWgmma);
  table.Add("wgmma.fence", BindPlain<ExecuteFence>);
  table.Add("wgmma.commit_group", BindPlain<ExecuteCommit>);
  table.Add("wgmma.wait_group", BindWait);
}

}  // namespace emu
