// The one KernelBuilder: binds an entry and the device functions that it calls into one Kernel.
// Functions have registers and a frame of local memory of their own, laid out once; parameters and
// results travel through local memory. Recursion is therefore a parse failure.
#ifndef SWITCHYARD_EMULATOR_PTX_KERNEL_BINDER_H_
#define SWITCHYARD_EMULATOR_PTX_KERNEL_BINDER_H_

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "emulator/ptx/kernel.h"
#include "emulator/ptx/kernel_builder.h"
#include "emulator/ptx/parsed_module.h"

namespace emu {

// Addresses of the module's .global and .const variables.
using VariableAddresses = std::unordered_map<std::string_view, uint64_t>;

class KernelBinder : public KernelBuilder {
 public:
  // REQUIRES: all three outlive the binder; `text` the kernel too.
  KernelBinder(const ParsedModule& module, const VariableAddresses& variables,
               std::string_view text);
  // Throws ParseError.
  std::unique_ptr<Kernel> Bind(const ParsedFunction& entry);

  int32_t Destination(const Operand& operand, uint32_t bits) override;
  int32_t Source(const Operand& operand, ScalarType type) override;
  int32_t Predicate(const Operand& operand) override;
  AddressSlot Address(const Operand& operand, MemorySpace space) override;
  uint32_t RegisterBits(const Operand& operand) override;
  int64_t Label(const ParsedInstruction& instruction, std::string_view name) override;
  std::vector<int64_t> Targets(const ParsedInstruction& instruction,
                               std::string_view name) override;
  bool KernelParam(const Operand& operand, uint64_t bytes, int64_t* offset) override;
  int32_t Scratch(uint32_t bits) override;

 private:
  struct Symbol {
    enum class Kind : uint8_t { kRegister, kShared, kDynamicShared, kLocal, kParamBlock };
    Kind kind = Kind::kRegister;
    uint32_t bits = 0;   // kRegister
    int64_t value = 0;   // slot or offset
    uint64_t bytes = 0;  // of a variable
  };
  using Scope = std::unordered_map<std::string_view, Symbol>;
  struct Place {
    int64_t op = 0;    // index
    size_t scope = 0;  // number of the scope it is declared in
  };
  struct FunctionFrame {
    const ParsedFunction* function = nullptr;
    int64_t first_op = -1;  // until it is bound
    std::vector<Symbol> returns, params;
  };

  void Own(std::unique_ptr<OpExtra> extra) override {
    kernel_->extras_.push_back(std::move(extra));
  }

  void BindParams(const ParsedFunction& entry);
  void BindFunction(const ParsedFunction& function);
  void BindItem(const BodyItem& item);
  void BindInstruction(const ParsedInstruction& instruction);
  void BindCall(const ParsedInstruction& instruction);
  void BindExternalCall(const ParsedInstruction& instruction, std::string_view name,
                        const std::vector<Operand>& arguments, const std::vector<Operand>& returns);
  void Declare(const ParsedRegisters& registers);
  void Declare(const ParsedVariable& variable);
  void FindLabels(const ParsedFunction& function);
  FunctionFrame& FrameOf(const ParsedInstruction& call, std::string_view name);
  void Emit(const ParsedInstruction& instruction, Op op);
  void Finish();
  void CheckRecursion(std::string_view from, std::string_view to, const ParsedInstruction& call);

  const Symbol* Find(std::string_view name);
  const Symbol* FindModuleShared(std::string_view name);
  const Symbol& CallVariable(const ParsedInstruction& call, const Operand& operand);
  // The offset of `variable` in a space of the kernel that is *end long, and longer then.
  static int64_t Append(const ParsedVariable& variable, uint32_t* end);
  Symbol AllocateLocal(const ParsedVariable& variable);
  int32_t AllocateRegister(uint32_t bits);
  int32_t SplatSlot(uint64_t bits, bool wide, bool in_param_block);
  int32_t AddressSplat(const Symbol& symbol, int64_t offset, bool wide);
  int32_t SpecialSlotOf(std::string_view name);
  [[noreturn]] void FailOperand(std::string_view message, std::string_view name) const;

  const ParsedModule& module_;
  const VariableAddresses& variables_;
  std::string_view text_;
  std::unique_ptr<Kernel> kernel_;
  std::vector<Scope> scopes_;          // [0]: the function's outermost
  std::vector<size_t> scope_numbers_;  // of scopes_, for labels
  size_t next_scope_ = 0;
  std::unordered_map<std::string_view, std::vector<Place>> labels_;
  std::unordered_map<std::string_view, const ParsedTargets*> targets_;
  Scope module_shared_;
  std::unordered_map<std::string_view, FunctionFrame> frames_;
  std::vector<std::string_view> to_bind_;
  std::vector<std::pair<size_t, std::string_view>> call_fixups_;
  std::multimap<std::string_view, std::string_view> calls_;  // caller to callee
  std::string_view function_;                                // being bound
  const ParsedInstruction* instruction_ = nullptr;           // being bound
  std::map<std::tuple<uint64_t, bool, bool>, int32_t> splats_;
  std::vector<std::pair<size_t, int64_t>> dynamic_splats_;  // index in splats, offset
  std::map<std::pair<int64_t, bool>, int32_t> dynamic_slots_;
  std::map<SpecialRegister, int32_t> special_slots_;
  std::unordered_map<std::string_view, uint32_t> mnemonics_;
  std::deque<std::string> names_;  // of numbered registers: the text does not hold them
  uint32_t dynamic_align_ = 16;
  int32_t predicate_cursor_ = 0;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_KERNEL_BINDER_H_
