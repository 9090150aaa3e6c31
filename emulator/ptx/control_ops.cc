#include "emulator/ptx/control_ops.h"

#include <vector>

#include "emulator/ptx/fault.h"
#include "emulator/ptx/instruction_families.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/kernel_builder.h"
#include "emulator/ptx/warp.h"

namespace emu {
namespace {

struct TargetList : OpExtra {
  std::vector<int64_t> targets;
};

Step Branch(Warp& warp, const Op& op, LaneMask) {
  warp.set_jump_target(static_cast<uint32_t>(op.immediate));
  return Step::kJump;
}

Step BranchIndexed(Warp& warp, const Op& op, LaneMask active) {
  const auto& targets = static_cast<const TargetList*>(op.extra)->targets;
  const uint32_t* index = warp.Lanes<uint32_t>(op.slots[0]);
  for (int lane = 0; lane < kWarpSize; ++lane) {
    if (!(active >> lane & 1)) continue;
    if (index[lane] >= targets.size()) {
      throw Fault(FaultKind::kIllegalOperation, lane, "brx.idx beyond its list of targets");
    }
    warp.set_pc(lane, static_cast<uint32_t>(targets[index[lane]]));
  }
  return Step::kReselect;
}

Step Exit(Warp& warp, const Op&, LaneMask active) {
  warp.Exit(active);
  return Step::kReselect;
}

Step Trap(Warp&, const Op&, LaneMask) { throw Fault(FaultKind::kAssert, "trap"); }

Op BindBranch(const ParsedInstruction& instruction, KernelBuilder& builder) {
  Op op;
  if (instruction.operands.empty()) builder.Fail(instruction, "branch without a target");
  if (instruction.parts.size() > 1 && instruction.parts[1] == "idx") {
    if (instruction.operands.size() != 2) builder.Fail(instruction, "number of operands");
    op.execute = BranchIndexed;
    op.slots[0] = builder.Source32(instruction.operands[0]);
    auto* extra = builder.NewExtra<TargetList>();
    extra->targets = builder.Targets(instruction, instruction.operands[1].name);
    op.extra = extra;
    return op;
  }
  op.execute = Branch;
  op.immediate = builder.Label(instruction, instruction.operands[0].name);
  return op;
}

template <Execute execute>
Op BindPlain(const ParsedInstruction& instruction, KernelBuilder& builder) {
  if (!instruction.operands.empty()) builder.Fail(instruction, "number of operands");
  Op op;
  op.execute = execute;
  return op;
}

}  // namespace

Step Return(Warp& warp, const Op&, LaneMask active) {
  LaneMask exiting = 0;
  for (int lane = 0; lane < kWarpSize; ++lane) {
    if (!(active >> lane & 1)) continue;
    auto& stack = warp.call_stack(lane);
    if (stack.empty()) {
      exiting |= LaneMask{1} << lane;
    } else {
      warp.set_pc(lane, stack.back());
      stack.pop_back();
    }
  }
  if (exiting != 0) warp.Exit(exiting);
  return Step::kReselect;
}

void RegisterControlOps(InstructionTable& table) {
  table.Add("bra", BindBranch);
  table.Add("brx", BindBranch);
  table.Add("ret", BindPlain<Return>);
  table.Add("exit", BindPlain<Exit>);
  table.Add("trap", BindPlain<Trap>);
  table.Add("brkpt", BindPlain<Trap>);
}

}  // namespace emu
