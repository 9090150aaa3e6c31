#include "emulator/ptx/kernel_binder.h"

#include <algorithm>
#include <bit>

#include "emulator/ptx/call_ops.h"
#include "emulator/ptx/control_ops.h"
#include "emulator/ptx/fault.h"
#include "emulator/ptx/instruction_table.h"
#include "emulator/ptx/lexer.h"
#include "emulator/ptx/special_registers.h"

namespace emu {
namespace {

constexpr uint32_t kPredicateSlots = 16;  // in one 64-byte line
// Local memory of a thread; parameters and a block's shared memory are smaller.
constexpr uint64_t kMaxSpaceBytes = 512 << 10;
// A warp's register file: some 250,000 registers of 32 bits. Programs have a tenth of that.
constexpr uint32_t kMaxRegisterBytes = 32 << 20;

uint64_t AlignUp(uint64_t value, uint64_t align) { return (value + align - 1) / align * align; }

// A call takes two ops: the jump, and the one that fetches the results.
int64_t OpsOf(const ParsedInstruction& instruction) {
  return instruction.parts[0] == "call" ? 2 : 1;
}

}  // namespace

KernelBinder::KernelBinder(const ParsedModule& module, const VariableAddresses& variables,
                           std::string_view text)
    : module_(module), variables_(variables), text_(text) {}

std::unique_ptr<Kernel> KernelBinder::Bind(const ParsedFunction& entry) {
  kernel_ = std::make_unique<Kernel>();
  kernel_->name_ = entry.name;
  kernel_->text_ = text_;
  kernel_->max_threads_ = entry.max_threads;
  kernel_->required_block_ = {entry.block[0], entry.block[1], entry.block[2]};
  kernel_->required_cluster_ = {entry.cluster[0], entry.cluster[1], entry.cluster[2]};
  BindFunction(entry);
  while (!to_bind_.empty()) {
    FunctionFrame& frame = frames_.at(to_bind_.back());
    to_bind_.pop_back();
    frame.first_op = static_cast<int64_t>(kernel_->ops_.size());
    BindFunction(*frame.function);
  }
  for (const auto& [index, name] : call_fixups_) {
    kernel_->ops_[index].immediate = frames_.at(name).first_op;
  }
  Finish();
  return std::move(kernel_);
}

void KernelBinder::BindParams(const ParsedFunction& entry) {
  for (const ParsedVariable& param : entry.params) {
    const int64_t offset = Append(param, &kernel_->param_bytes_);
    kernel_->params_.push_back({static_cast<uint32_t>(offset), static_cast<uint32_t>(param.bytes)});
    scopes_[0][param.name] = {
        .kind = Symbol::Kind::kParamBlock, .value = offset, .bytes = param.bytes};
  }
}

void KernelBinder::BindFunction(const ParsedFunction& function) {
  function_ = function.name;
  scopes_.assign(1, {});
  scope_numbers_.assign(1, 0);
  next_scope_ = 0;
  if (function.is_entry) {
    BindParams(function);
  } else {
    const FunctionFrame& frame = frames_.at(function.name);
    for (size_t i = 0; i < frame.params.size(); ++i) {
      scopes_[0][function.params[i].name] = frame.params[i];
    }
    for (size_t i = 0; i < frame.returns.size(); ++i) {
      scopes_[0][function.returns[i].name] = frame.returns[i];
    }
  }
  FindLabels(function);
  for (const BodyItem& item : function.body) BindItem(item);
  // Text may end without a ret.
  Op end;
  end.execute = Return;
  ParsedInstruction ret{.line = function.line, .opcode = "ret"};
  Emit(ret, end);
}

void KernelBinder::FindLabels(const ParsedFunction& function) {
  labels_.clear();
  targets_.clear();
  int64_t op = static_cast<int64_t>(kernel_->ops_.size());
  std::vector<size_t> numbers{0};
  size_t next = 0;
  for (const BodyItem& item : function.body) {
    if (std::holds_alternative<ScopeBegin>(item)) {
      numbers.push_back(++next);
    } else if (std::holds_alternative<ScopeEnd>(item)) {
      numbers.pop_back();
    } else if (const auto* label = std::get_if<ParsedLabel>(&item)) {
      labels_[label->name].push_back({op, numbers.back()});
    } else if (const auto* targets = std::get_if<ParsedTargets>(&item)) {
      targets_[targets->name] = targets;
    } else if (const auto* instruction = std::get_if<ParsedInstruction>(&item)) {
      op += OpsOf(*instruction);
    }
  }
}

void KernelBinder::BindItem(const BodyItem& item) {
  if (std::holds_alternative<ScopeBegin>(item)) {
    scopes_.emplace_back();
    scope_numbers_.push_back(++next_scope_);
  } else if (std::holds_alternative<ScopeEnd>(item)) {
    scopes_.pop_back();
    scope_numbers_.pop_back();
  } else if (const auto* registers = std::get_if<ParsedRegisters>(&item)) {
    Declare(*registers);
  } else if (const auto* variable = std::get_if<ParsedVariable>(&item)) {
    Declare(*variable);
  } else if (const auto* instruction = std::get_if<ParsedInstruction>(&item)) {
    BindInstruction(*instruction);
  }
}

void KernelBinder::BindInstruction(const ParsedInstruction& instruction) {
  instruction_ = &instruction;
  if (instruction.parts[0] == "call") return BindCall(instruction);
  const Binder binder = InstructionTable::Get().Find(instruction);
  if (binder == nullptr) Fail(instruction, "unknown instruction");
  Emit(instruction, binder(instruction, *this));
}

void KernelBinder::Emit(const ParsedInstruction& instruction, Op op) {
  op.line = instruction.line;
  const auto [it, added] =
      mnemonics_.try_emplace(instruction.opcode, static_cast<uint32_t>(mnemonics_.size()));
  if (added) kernel_->mnemonics_.emplace_back(instruction.opcode);
  op.mnemonic = it->second;
  if (!instruction.guard.empty()) {
    op.guard = Predicate({.kind = Operand::Kind::kName, .name = instruction.guard});
    op.guard_negated = instruction.guard_negated;
  }
  kernel_->ops_.push_back(op);
}

void KernelBinder::Declare(const ParsedRegisters& registers) {
  const uint32_t bits = BitsOf(registers.type);
  if (registers.count == 0) {
    scopes_.back()[registers.name] = {.bits = bits, .value = AllocateRegister(bits)};
    return;
  }
  for (uint32_t i = 0; i < registers.count; ++i) {
    names_.push_back(std::string(registers.name) + std::to_string(i));
    scopes_.back()[names_.back()] = {.bits = bits, .value = AllocateRegister(bits)};
  }
}

int64_t KernelBinder::Append(const ParsedVariable& variable, uint32_t* end) {
  const uint64_t offset = AlignUp(*end, variable.align);
  if (offset + variable.bytes > kMaxSpaceBytes) {
    throw ParseError("line " + std::to_string(variable.line) + ": '" + std::string(variable.name) +
                     "' is larger than the memory it belongs in");
  }
  *end = static_cast<uint32_t>(offset + variable.bytes);
  return static_cast<int64_t>(offset);
}

KernelBinder::Symbol KernelBinder::AllocateLocal(const ParsedVariable& variable) {
  return {.kind = Symbol::Kind::kLocal,
          .value = Append(variable, &kernel_->local_bytes_),
          .bytes = variable.bytes};
}

void KernelBinder::Declare(const ParsedVariable& variable) {
  if (variable.space == VariableSpace::kShared) {
    scopes_.back()[variable.name] = {.kind = Symbol::Kind::kShared,
                                     .value = Append(variable, &kernel_->static_shared_bytes_),
                                     .bytes = variable.bytes};
  } else if (variable.space == VariableSpace::kLocal || variable.space == VariableSpace::kParam) {
    scopes_.back()[variable.name] = AllocateLocal(variable);
  } else {
    FailOperand("variable in a function", variable.name);
  }
}

const KernelBinder::Symbol* KernelBinder::Find(std::string_view name) {
  for (size_t i = scopes_.size(); i-- > 0;) {
    const auto it = scopes_[i].find(name);
    if (it != scopes_[i].end()) return &it->second;
  }
  return FindModuleShared(name);
}

// A kernel pays for the module's shared variables that it names.
const KernelBinder::Symbol* KernelBinder::FindModuleShared(std::string_view name) {
  const auto found = module_shared_.find(name);
  if (found != module_shared_.end()) return &found->second;
  for (const ParsedVariable& variable : module_.variables) {
    if (variable.space != VariableSpace::kShared || variable.name != name) continue;
    Symbol& symbol = module_shared_[name];
    symbol.bytes = variable.bytes;
    if (variable.bytes == 0) {
      symbol.kind = Symbol::Kind::kDynamicShared;
      dynamic_align_ = std::max(dynamic_align_, variable.align);
    } else {
      symbol.kind = Symbol::Kind::kShared;
      symbol.value = Append(variable, &kernel_->static_shared_bytes_);
    }
    return &symbol;
  }
  return nullptr;
}

void KernelBinder::Finish() {
  kernel_->static_shared_bytes_ =
      static_cast<uint32_t>(AlignUp(kernel_->static_shared_bytes_, dynamic_align_));
  for (const auto& [index, offset] : dynamic_splats_) {
    kernel_->splats_[index].bits = static_cast<uint64_t>(kernel_->static_shared_bytes_ + offset);
  }
  kernel_->local_bytes_ = static_cast<uint32_t>(AlignUp(kernel_->local_bytes_, 16));
}

int32_t KernelBinder::AllocateRegister(uint32_t bits) {
  uint32_t& end = kernel_->register_bytes_;
  if (end > kMaxRegisterBytes) FailOperand("too many registers", "");
  if (bits == 1) {
    if (predicate_cursor_ % 64 == 0) {
      predicate_cursor_ = static_cast<int32_t>(end);
      end += kPredicateSlots * sizeof(LaneMask);
    }
    const int32_t slot = predicate_cursor_;
    predicate_cursor_ += sizeof(LaneMask);
    return slot;
  }
  const int32_t slot = static_cast<int32_t>(end);
  end += std::max(bits, 32u) / 8 * kWarpSize;
  kernel_->num_registers_ = std::min(255u, kernel_->num_registers_ + std::max(bits, 32u) / 32);
  return slot;
}

int32_t KernelBinder::Scratch(uint32_t bits) {
  const int32_t slot = AllocateRegister(bits);
  const uint32_t bytes = bits == 1 ? sizeof(LaneMask) : std::max(bits, 32u) / 8 * kWarpSize;
  kernel_->scratch_.push_back({slot, bytes});
  return slot;
}

int32_t KernelBinder::SplatSlot(uint64_t bits, bool wide, bool in_param_block) {
  if (!wide) bits = static_cast<uint32_t>(bits);
  const auto [it, added] = splats_.try_emplace({bits, wide, in_param_block}, 0);
  if (added) {
    it->second = AllocateRegister(wide ? 64 : 32);
    kernel_->splats_.push_back(
        {.slot = it->second, .bits = bits, .wide = wide, .in_param_block = in_param_block});
  }
  return it->second;
}

int32_t KernelBinder::AddressSplat(const Symbol& symbol, int64_t offset, bool wide) {
  switch (symbol.kind) {
    case Symbol::Kind::kDynamicShared: {
      const auto [it, added] = dynamic_slots_.try_emplace({offset, wide}, 0);
      if (added) {
        it->second = AllocateRegister(wide ? 64 : 32);
        dynamic_splats_.emplace_back(kernel_->splats_.size(), offset);
        kernel_->splats_.push_back({.slot = it->second, .wide = wide});
      }
      return it->second;
    }
    case Symbol::Kind::kParamBlock:
      if (!wide) FailOperand("32-bit address of a parameter", "");
      return SplatSlot(static_cast<uint64_t>(symbol.value + offset), wide, true);
    default:
      return SplatSlot(static_cast<uint64_t>(symbol.value + offset), wide, false);
  }
}

int32_t KernelBinder::SpecialSlotOf(std::string_view name) {
  const auto which = FindSpecialRegister(name);
  if (!which) return kNoSlot;
  const auto [it, added] = special_slots_.try_emplace(*which, 0);
  if (added) {
    it->second = AllocateRegister(32);
    kernel_->specials_.push_back({.slot = it->second, .which = *which});
  }
  return it->second;
}

}  // namespace emu
