// mma.sync: one warp multiplies [16, k] by [k, 8] out of registers.
#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "emulator/ptx/block.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/kernel_builder.h"
#include "emulator/ptx/tensor_fragment.h"
#include "emulator/ptx/warp.h"

namespace emu {
namespace {

constexpr int kMmaN = 8;

struct MmaExtra : OpExtra {
  Format a_format = Format::kF16;
  Format b_format = Format::kF16;
  StepRules rules = {};
  int k = 0;
  int num_a = 0;
  int num_b = 0;
  std::array<int32_t, 4> d = {};
  std::array<int32_t, 4> a = {};
  std::array<int32_t, 2> b = {};
  std::array<int32_t, 4> c = {};
};

Step ExecuteMma(Warp& warp, const Op& op, LaneMask active) {
  if (!warp.AllPresent(active)) return Step::kRetry;
  if (active != kAllLanes) {
    throw Fault(FaultKind::kIllegalOperation, "mma.sync in a warp of which lanes have exited");
  }
  const auto& extra = static_cast<const MmaExtra&>(*op.extra);
  PackedA a;
  PackedB b;
  std::array<const uint32_t*, 4> registers;
  for (int i = 0; i < extra.num_a; ++i) registers[i] = warp.Lanes<uint32_t>(extra.a[i]);
  PackFragmentA(extra.a_format, registers.data(), extra.num_a, 1.0F, &a);
  for (int i = 0; i < extra.num_b; ++i) registers[i] = warp.Lanes<uint32_t>(extra.b[i]);
  PackFragmentB(extra.b_format, registers.data(), extra.num_b, &b);
  float c[4][kWarpSize];
  for (int i = 0; i < 4; ++i) std::memcpy(c[i], warp.Lanes<float>(extra.c[i]), sizeof(c[i]));
  float* d[4];
  for (int i = 0; i < 4; ++i) {
    d[i] = warp.Lanes<float>(extra.d[i]);
    std::memcpy(d[i], c[i], sizeof(c[i]));
  }
  const Block& block = warp.block();
  const bool h100 = block.launch().options->numerics == Numerics::kH100;
  RunMac(h100, extra.rules, {extra.k, kMmaN, a.values, b.values, d});
  if (block.observer() != nullptr) {
    block.observer()->OnTensorWork(uint64_t{16} * kMmaN * static_cast<uint64_t>(extra.k), false);
  }
  return Step::kNext;
}

bool IsByteFormat(Format format) { return TraitsOf(format).bytes == 1; }

// "m16n8k16" -> 16; 0: another shape.
int ParseK(std::string_view shape) {
  constexpr std::string_view kPrefix = "m16n8k";
  if (shape.substr(0, kPrefix.size()) != kPrefix) return 0;
  const std::string_view k = shape.substr(kPrefix.size());
  return k == "4" ? 4 : k == "8" ? 8 : k == "16" ? 16 : k == "32" ? 32 : 0;
}

void BindRegisters(const ParsedInstruction& instruction, KernelBuilder& builder,
                   const Operand& operand, int count, bool written, int32_t* slots) {
  if (operand.kind != Operand::Kind::kVector ||
      operand.elements.size() != static_cast<size_t>(count)) {
    builder.Fail(instruction, "expected a vector of " + std::to_string(count) + " registers");
  }
  for (int i = 0; i < count; ++i) {
    const Operand& element = operand.elements[static_cast<size_t>(i)];
    slots[i] = written ? builder.Destination(element, 32) : builder.Source32(element);
  }
}

// mma.sync.aligned.m16n8kK.row.col.f32.A.B.f32 d, a, b, c
Op BindMma(const ParsedInstruction& instruction, KernelBuilder& builder) {
  const auto& parts = instruction.parts;
  auto* extra = builder.NewExtra<MmaExtra>();
  if (parts.size() != 10 || parts[2] != "aligned" || parts[4] != "row" || parts[5] != "col" ||
      parts[6] != "f32" || parts[9] != "f32" || instruction.operands.size() != 4 ||
      !ParseFormat(parts[7], &extra->a_format) || !ParseFormat(parts[8], &extra->b_format)) {
    builder.Fail(instruction, "unknown form of mma.sync");
  }
  extra->k = ParseK(parts[3]);
  const int elements = 4 / TraitsOf(extra->a_format).bytes;
  const bool mixed = extra->a_format != extra->b_format &&
                     !(IsByteFormat(extra->a_format) && IsByteFormat(extra->b_format));
  // A k of 4 E or 8 E elements.
  if (mixed || (extra->k != 4 * elements && extra->k != 8 * elements)) {
    builder.Fail(instruction, "unknown shape or types of mma.sync");
  }
  // Hopper has no 8-bit path behind mma.sync: the assembler converts to f16 and multiplies those.
  const Format steps = IsByteFormat(extra->a_format) ? Format::kF16 : extra->a_format;
  extra->rules = StepRulesOf(steps, steps);
  extra->num_b = extra->k / (4 * elements);
  extra->num_a = 2 * extra->num_b;
  BindRegisters(instruction, builder, instruction.operands[0], 4, true, extra->d.data());
  BindRegisters(instruction, builder, instruction.operands[1], extra->num_a, false,
                extra->a.data());
  BindRegisters(instruction, builder, instruction.operands[2], extra->num_b, false,
                extra->b.data());
  BindRegisters(instruction, builder, instruction.operands[3], 4, false, extra->c.data());
  Op op;
  op.execute = ExecuteMma;
  op.extra = extra;
  return op;
}

}  // namespace

void RegisterMmaOps(InstructionTable& table) { table.Add("mma.sync", BindMma); }

}  // namespace emu
