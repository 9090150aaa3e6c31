// Turns parsed instructions into Ops: names into register slots, immediates into splatted
// registers, labels into targets. Binders (instruction_table.h) are called with it.
//
// Owner: Module::Parse, one per kernel. Every wrong operand is a ParseError with line and text.
#ifndef SWITCHYARD_EMULATOR_PTX_KERNEL_BUILDER_H_
#define SWITCHYARD_EMULATOR_PTX_KERNEL_BUILDER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "emulator/ptx/instruction.h"
#include "emulator/ptx/observer.h"
#include "emulator/ptx/op.h"

namespace emu {

// A bound memory operand: the address is the slot's value plus `offset`.
struct AddressSlot {
  int32_t slot = kNoSlot;
  bool wide = false;  // the slot has 64 bits per lane
  int64_t offset = 0;
};

class KernelBuilder {
 public:
  virtual ~KernelBuilder() = default;

  // [[noreturn]] "line 12: <message>: <text of the instruction>"
  [[noreturn]] void Fail(const ParsedInstruction& instruction, std::string_view message) const;

  // The slot of a register that is written. Fails unless the register has `bits` bits (8 and 16
  // count as 32; 1: a predicate).
  virtual int32_t Destination(const Operand& operand, uint32_t bits) = 0;
  // The same where the program may write "_": kNoSlot.
  int32_t OptionalDestination(const Operand& operand, uint32_t bits) {
    return operand.kind == Operand::Kind::kSink ? kNoSlot : Destination(operand, bits);
  }
  // The slot of a value that is read: register, special register, immediate or address of a
  // variable. Floating immediates take the width of `type`.
  virtual int32_t Source(const Operand& operand, ScalarType type) = 0;
  int32_t Source32(const Operand& operand) { return Source(operand, ScalarType::kB32); }
  int32_t Source64(const Operand& operand) { return Source(operand, ScalarType::kB64); }
  // A predicate that is read. The operand's `negated` is the caller's to honour.
  virtual int32_t Predicate(const Operand& operand) = 0;
  // A memory operand. Registers may have 32 or 64 bits; a variable's name gives its address in
  // `space` (kGlobal also stands for generic).
  virtual AddressSlot Address(const Operand& operand, MemorySpace space) = 0;
  // Bits of a register by name: 1, 32, 64, 128; 0 if the operand is none.
  virtual uint32_t RegisterBits(const Operand& operand) = 0;
  // The op that a label stands at.
  virtual int64_t Label(const ParsedInstruction& instruction, std::string_view name) = 0;
  // The ops of a .branchtargets list.
  virtual std::vector<int64_t> Targets(const ParsedInstruction& instruction,
                                       std::string_view name) = 0;
  // Whether `operand` is a kernel's parameter, read with ld.param; its offset in the parameter
  // block. Fails unless the parameter has `bytes` from there on.
  virtual bool KernelParam(const Operand& operand, uint64_t bytes, int64_t* offset) = 0;
  // A fresh register for a family's own use, zero in all lanes at the start.
  virtual int32_t Scratch(uint32_t bits) = 0;
  // An integer that the encoding fixes (a wait_group's count, a shape).
  int64_t Constant(const ParsedInstruction& instruction, const Operand& operand) const;

  // Extra data of an Op, owned by the kernel.
  template <class T>
  T* NewExtra() {
    auto extra = std::make_unique<T>();
    T* result = extra.get();
    Own(std::move(extra));
    return result;
  }

 protected:
  virtual void Own(std::unique_ptr<OpExtra> extra) = 0;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_KERNEL_BUILDER_H_
