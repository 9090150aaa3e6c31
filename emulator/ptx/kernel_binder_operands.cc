// The operands of KernelBinder: names, immediates, addresses, labels, calls.
#include <algorithm>
#include <bit>
#include <set>

#include "emulator/ptx/call_ops.h"
#include "emulator/ptx/fault.h"
#include "emulator/ptx/kernel_binder.h"
#include "emulator/ptx/lexer.h"

namespace emu {
namespace {

// 8- and 16-bit values live in 32-bit registers.
uint32_t StorageBits(uint32_t bits) { return bits == 1 ? 1 : std::max(bits, 32u); }

}  // namespace

void KernelBinder::FailOperand(std::string_view message, std::string_view name) const {
  const uint32_t line = instruction_ == nullptr ? 0 : instruction_->line;
  throw ParseError("line " + std::to_string(line) + ": " + std::string(message) +
                   (name.empty() ? "" : " '" + std::string(name) + "'") + ": " +
                   std::string(Lexer::LineText(text_, line)));
}

int32_t KernelBinder::Destination(const Operand& operand, uint32_t bits) {
  if (operand.kind != Operand::Kind::kName) FailOperand("a register is expected", operand.name);
  const Symbol* symbol = Find(operand.name);
  if (symbol == nullptr || symbol->kind != Symbol::Kind::kRegister) {
    FailOperand("unknown register", operand.name);
  }
  if (StorageBits(symbol->bits) != StorageBits(bits)) {
    FailOperand("wrong width of register", operand.name);
  }
  return static_cast<int32_t>(symbol->value);
}

int32_t KernelBinder::Source(const Operand& operand, ScalarType type) {
  const uint32_t bits = BitsOf(type);
  const bool wide = bits == 64;
  switch (operand.kind) {
    case Operand::Kind::kInteger:
      if (IsFloat(type) || bits > 64) FailOperand("integer where another type is expected", "");
      return SplatSlot(operand.bits, wide, false);
    case Operand::Kind::kF32:
      if (bits == 32) return SplatSlot(operand.bits, false, false);
      if (type != ScalarType::kF64) FailOperand("0f literal for a type that is not f32", "");
      return SplatSlot(std::bit_cast<uint64_t>(
                           double{std::bit_cast<float>(static_cast<uint32_t>(operand.bits))}),
                       true, false);
    case Operand::Kind::kF64:
      if (bits == 64) return SplatSlot(operand.bits, true, false);
      if (type != ScalarType::kF32) FailOperand("0d literal for a type that is not floating", "");
      return SplatSlot(
          std::bit_cast<uint32_t>(static_cast<float>(std::bit_cast<double>(operand.bits))), false,
          false);
    case Operand::Kind::kName:
      break;
    default:
      FailOperand("a register or a number is expected", operand.name);
  }
  if (const Symbol* symbol = Find(operand.name)) {
    if (symbol->kind != Symbol::Kind::kRegister) {
      return AddressSplat(*symbol, static_cast<int64_t>(operand.bits), wide);
    }
    if (StorageBits(symbol->bits) != StorageBits(bits)) {
      FailOperand("wrong width of register", operand.name);
    }
    return static_cast<int32_t>(symbol->value);
  }
  if (operand.name == "WARP_SZ") return SplatSlot(kWarpSize, wide, false);
  if (const int32_t special = SpecialSlotOf(operand.name); special != kNoSlot) {
    if (StorageBits(bits) != 32) FailOperand("wrong width of register", operand.name);
    return special;
  }
  const auto variable = variables_.find(operand.name);
  if (variable == variables_.end()) FailOperand("unknown name", operand.name);
  if (!wide) FailOperand("32-bit address of a global variable", operand.name);
  return SplatSlot(variable->second + operand.bits, true, false);
}

int32_t KernelBinder::Predicate(const Operand& operand) {
  const Symbol* symbol = operand.kind == Operand::Kind::kName ? Find(operand.name) : nullptr;
  if (operand.kind == Operand::Kind::kInteger) {  // setp's and wgmma's constant predicates
    return SplatSlot(operand.bits != 0 ? ~uint64_t{0} : 0, false, false);
  }
  if (symbol == nullptr || symbol->kind != Symbol::Kind::kRegister || symbol->bits != 1) {
    FailOperand("a predicate is expected", operand.name);
  }
  return static_cast<int32_t>(symbol->value);
}

AddressSlot KernelBinder::Address(const Operand& operand, MemorySpace space) {
  if (operand.kind != Operand::Kind::kMemory) FailOperand("an address is expected", operand.name);
  const int64_t offset = static_cast<int64_t>(operand.bits);
  if (operand.name.empty()) return {SplatSlot(operand.bits, true, false), true, 0};
  const Symbol* symbol = Find(operand.name);
  if (symbol != nullptr && symbol->kind == Symbol::Kind::kRegister) {
    if (symbol->bits != 32 && symbol->bits != 64) FailOperand("address register", operand.name);
    return {static_cast<int32_t>(symbol->value), symbol->bits == 64, offset};
  }
  if (symbol != nullptr) {
    const bool shared =
        symbol->kind == Symbol::Kind::kShared || symbol->kind == Symbol::Kind::kDynamicShared;
    const bool fits =
        space == MemorySpace::kShared ? shared
        : space == MemorySpace::kLocal || space == MemorySpace::kParam
            ? symbol->kind == Symbol::Kind::kLocal || symbol->kind == Symbol::Kind::kParamBlock
            : symbol->kind == Symbol::Kind::kParamBlock;
    if (!fits) FailOperand("variable of another memory space", operand.name);
    return {AddressSplat(*symbol, 0, true), true, offset};
  }
  const auto variable = variables_.find(operand.name);
  if (variable == variables_.end() || space != MemorySpace::kGlobal) {
    FailOperand("unknown variable", operand.name);
  }
  return {SplatSlot(variable->second, true, false), true, offset};
}

uint32_t KernelBinder::RegisterBits(const Operand& operand) {
  if (operand.name.empty()) return 0;
  const Symbol* symbol = Find(operand.name);
  if (symbol != nullptr && symbol->kind == Symbol::Kind::kRegister) return symbol->bits;
  return symbol == nullptr && SpecialSlotOf(operand.name) != kNoSlot ? 32 : 0;
}

bool KernelBinder::KernelParam(const Operand& operand, uint64_t bytes, int64_t* offset) {
  const Symbol* symbol = operand.name.empty() ? nullptr : Find(operand.name);
  if (symbol == nullptr || symbol->kind != Symbol::Kind::kParamBlock) return false;
  if (operand.bits > symbol->bytes || bytes > symbol->bytes - operand.bits) {
    FailOperand("read behind the end of parameter", operand.name);
  }
  *offset = symbol->value + static_cast<int64_t>(operand.bits);
  return true;
}

int64_t KernelBinder::Label(const ParsedInstruction& instruction, std::string_view name) {
  const auto places = labels_.find(name);
  if (places != labels_.end()) {
    for (size_t i = scope_numbers_.size(); i-- > 0;) {
      for (const Place& place : places->second) {
        if (place.scope == scope_numbers_[i]) return place.op;
      }
    }
  }
  Fail(instruction, "unknown label '" + std::string(name) + "'");
}

std::vector<int64_t> KernelBinder::Targets(const ParsedInstruction& instruction,
                                           std::string_view name) {
  const auto found = targets_.find(name);
  if (found == targets_.end()) Fail(instruction, "unknown list of targets");
  std::vector<int64_t> result;
  for (const std::string_view label : found->second->labels) {
    result.push_back(Label(instruction, label));
  }
  return result;
}

const KernelBinder::Symbol& KernelBinder::CallVariable(const ParsedInstruction& call,
                                                       const Operand& operand) {
  const Symbol* symbol = operand.kind == Operand::Kind::kName ? Find(operand.name) : nullptr;
  if (symbol == nullptr || symbol->kind != Symbol::Kind::kLocal) {
    Fail(call, "an argument that is no .param variable");
  }
  return *symbol;
}

KernelBinder::FunctionFrame& KernelBinder::FrameOf(const ParsedInstruction& call,
                                                   std::string_view name) {
  const auto found = frames_.find(name);
  if (found != frames_.end()) return found->second;
  for (const ParsedFunction& function : module_.functions) {
    if (function.name != name || !function.has_body || function.is_entry) continue;
    FunctionFrame& frame = frames_[function.name];
    frame.function = &function;
    for (const ParsedVariable& v : function.returns) frame.returns.push_back(AllocateLocal(v));
    for (const ParsedVariable& v : function.params) frame.params.push_back(AllocateLocal(v));
    to_bind_.push_back(function.name);
    return frame;
  }
  Fail(call, "call of unknown function '" + std::string(name) + "'");
}

void KernelBinder::CheckRecursion(std::string_view from, std::string_view to,
                                  const ParsedInstruction& call) {
  std::vector<std::string_view> open = {to};
  std::set<std::string_view> seen;
  while (!open.empty()) {
    const std::string_view name = open.back();
    open.pop_back();
    if (name == from) Fail(call, "recursion in '" + std::string(from) + "'");
    if (!seen.insert(name).second) continue;
    const auto [begin, end] = calls_.equal_range(name);
    for (auto it = begin; it != end; ++it) open.push_back(it->second);
  }
}

void KernelBinder::BindCall(const ParsedInstruction& instruction) {
  std::vector<Operand> returns, arguments;
  size_t next = 0;
  const std::vector<Operand>& operands = instruction.operands;
  if (next < operands.size() && operands[next].kind == Operand::Kind::kList) {
    returns = operands[next++].elements;
  }
  if (next >= operands.size() || operands[next].kind != Operand::Kind::kName) {
    Fail(instruction, "call without a function");
  }
  const std::string_view name = operands[next++].name;
  if (next < operands.size() && operands[next].kind == Operand::Kind::kList) {
    arguments = operands[next++].elements;
  }
  if (next != operands.size()) Fail(instruction, "indirect call");
  if (name == "vprintf" || name == "__assertfail") {
    return BindExternalCall(instruction, name, arguments, returns);
  }
  FunctionFrame& frame = FrameOf(instruction, name);
  calls_.emplace(function_, frame.function->name);
  CheckRecursion(function_, frame.function->name, instruction);
  if (arguments.size() != frame.params.size() || returns.size() != frame.returns.size()) {
    Fail(instruction, "wrong number of arguments");
  }
  auto copies = [&](const std::vector<Operand>& actual, const std::vector<Symbol>& formal,
                    bool to_formal) {
    auto* result = NewExtra<LocalCopies>();
    for (size_t i = 0; i < actual.size(); ++i) {
      const Symbol& variable = CallVariable(instruction, actual[i]);
      const auto from = static_cast<uint32_t>(to_formal ? variable.value : formal[i].value);
      const auto to = static_cast<uint32_t>(to_formal ? formal[i].value : variable.value);
      const uint64_t bytes = std::min(variable.bytes, formal[i].bytes);
      result->copies.push_back({from, to, static_cast<uint32_t>(bytes)});
    }
    return result;
  };
  Op call;
  call.execute = Call;
  call.extra = copies(arguments, frame.params, true);
  call_fixups_.emplace_back(kernel_->ops_.size(), frame.function->name);
  Emit(instruction, call);
  Op results;
  results.execute = TakeResults;
  results.extra = copies(returns, frame.returns, false);
  Emit(instruction, results);
}

void KernelBinder::BindExternalCall(const ParsedInstruction& instruction, std::string_view name,
                                    const std::vector<Operand>& arguments,
                                    const std::vector<Operand>& returns) {
  // vprintf(format, values); __assertfail(condition, file, line, function, size of a character).
  constexpr uint64_t kBytes[] = {8, 8, 4, 8, 8};
  if (arguments.size() != (name == "vprintf" ? 2 : 5)) Fail(instruction, "number of arguments");
  auto* extra = NewExtra<ExternalCall>();
  for (size_t i = 0; i < arguments.size(); ++i) {
    const Symbol& variable = CallVariable(instruction, arguments[i]);
    if (variable.bytes < kBytes[i]) Fail(instruction, "an argument that is too short");
    extra->arguments.push_back(static_cast<uint32_t>(variable.value));
  }
  if (!returns.empty()) {
    const Symbol& variable = CallVariable(instruction, returns[0]);
    if (variable.bytes < sizeof(int32_t)) Fail(instruction, "a result that is too short");
    extra->has_result = true;
    extra->result = static_cast<uint32_t>(variable.value);
  }
  Op op;
  op.execute = name == "vprintf" ? PrintFormatted : AssertFailed;
  op.extra = extra;
  Emit(instruction, op);
  Op results;  // none to fetch; keeps a call at two ops
  results.execute = TakeResults;
  results.extra = NewExtra<LocalCopies>();
  Emit(instruction, results);
}

}  // namespace emu
