#include "emulator/ptx/module.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <unordered_map>
#include <utility>
#include <vector>

#include "emulator/ptx/fault.h"
#include "emulator/ptx/kernel_binder.h"
#include "emulator/ptx/lexer.h"
#include "emulator/ptx/memory_registry.h"
#include "emulator/ptx/parser.h"

namespace emu {
namespace {

constexpr size_t kVariableAlign = 256;                 // as the driver places them
constexpr uint64_t kMaxVariables = uint64_t{1} << 30;  // bytes, of one module

// Zeros that cost no memory before they are touched.
struct Zeros {
  explicit Zeros(uint64_t bytes) : block(std::calloc(1, bytes + kVariableAlign), &std::free) {}
  void* Aligned() const {
    const auto address = reinterpret_cast<uintptr_t>(block.get());
    return static_cast<std::byte*>(block.get()) +
           (kVariableAlign - address % kVariableAlign) % kVariableAlign;
  }
  std::unique_ptr<void, decltype(&std::free)> block;
};

}  // namespace

struct Module::State {
  std::string text;
  ParsedModule parsed;
  std::unordered_map<std::string_view, Variable> variables;
  std::vector<Zeros> memory;  // of the variables
  std::unordered_map<std::string_view, std::unique_ptr<Kernel>> kernels;

  ~State() {
    for (auto& [name, variable] : variables) UnregisterMemory(variable.address);
  }

  void AllocateVariables();
  void InitialiseVariable(const ParsedVariable& variable);
  void BindKernels();
};

void Module::State::AllocateVariables() {
  uint64_t total = 0;
  for (const ParsedVariable& variable : parsed.variables) {
    if (variable.space == VariableSpace::kShared) continue;
    if (variable.space != VariableSpace::kGlobal && variable.space != VariableSpace::kConst) {
      throw ParseError("line " + std::to_string(variable.line) + ": variable outside a function");
    }
    if (variable.bytes == 0) continue;
    if (const auto first = variables.find(variable.name); first != variables.end()) {
      if (first->second.bytes == variable.bytes) continue;
      throw ParseError("line " + std::to_string(variable.line) + ": '" +
                       std::string(variable.name) + "' with another size than before");
    }
    total += variable.bytes;
    memory.emplace_back(total <= kMaxVariables ? variable.bytes : 0);
    if (total > kMaxVariables || memory.back().block == nullptr) {
      throw ParseError("line " + std::to_string(variable.line) + ": no memory for the " +
                       std::to_string(variable.bytes) + " bytes of '" + std::string(variable.name) +
                       "'");
    }
    void* const address = memory.back().Aligned();
    variables[variable.name] = {address, variable.bytes};
    RegisterMemory(address, variable.bytes, "variable " + std::string(variable.name));
  }
  for (const ParsedVariable& variable : parsed.variables) InitialiseVariable(variable);
}

void Module::State::InitialiseVariable(const ParsedVariable& variable) {
  if (variable.initializers.empty()) return;
  const auto found = variables.find(variable.name);
  if (found == variables.end()) {
    throw ParseError("line " + std::to_string(variable.line) + ": initialised shared variable");
  }
  auto* out = static_cast<std::byte*>(found->second.address);
  for (const ParsedVariable::Initializer& value : variable.initializers) {
    uint64_t bits = value.bits;
    if (!value.symbol.empty()) {
      const auto target = variables.find(value.symbol);
      if (target == variables.end()) {
        throw ParseError("line " + std::to_string(variable.line) + ": address of '" +
                         std::string(value.symbol) + "' in an initialiser");
      }
      bits = (bits + reinterpret_cast<uint64_t>(target->second.address)) >> value.shift;
    }
    std::memcpy(out, &bits, std::min(variable.element_bytes, 8u));
    out += variable.element_bytes;
  }
}

void Module::State::BindKernels() {
  VariableAddresses addresses;
  for (const auto& [name, variable] : variables) {
    addresses[name] = reinterpret_cast<uint64_t>(variable.address);
  }
  for (const ParsedFunction& function : parsed.functions) {
    if (!function.is_entry || !function.has_body) continue;
    kernels[function.name] = KernelBinder(parsed, addresses, text).Bind(function);
  }
}

Module::Module(std::unique_ptr<State> state) : state_(std::move(state)) {}
Module::~Module() = default;

std::unique_ptr<Module> Module::Parse(std::string_view ptx, std::string* error) {
  auto state = std::make_unique<State>();
  state->text = ptx.substr(0, ptx.find('\0'));
  try {
    state->parsed = Parser(state->text).Parse();
    state->AllocateVariables();
    state->BindKernels();
  } catch (const ParseError& wrong) {
    *error = wrong.message();
    return nullptr;
  }
  return std::unique_ptr<Module>(new Module(std::move(state)));
}

const Kernel* Module::FindKernel(std::string_view name) const {
  const auto it = state_->kernels.find(name);
  return it == state_->kernels.end() ? nullptr : it->second.get();
}

const Module::Variable* Module::FindVariable(std::string_view name) const {
  const auto it = state_->variables.find(name);
  return it == state_->variables.end() ? nullptr : &it->second;
}

std::vector<std::string_view> Module::KernelNames() const {
  std::vector<std::string_view> names;
  for (const auto& [name, kernel] : state_->kernels) names.push_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

bool Kernel::uses_reserved_shared() const {
  return std::any_of(specials_.begin(), specials_.end(), [](const SpecialSlot& special) {
    return special.which == SpecialRegister::kReservedBegin ||
           special.which == SpecialRegister::kReservedEnd;
  });
}

std::string_view Kernel::LineText(uint32_t line) const { return Lexer::LineText(text_, line); }

}  // namespace emu
