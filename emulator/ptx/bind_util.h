// What binders have in common: checks of the operand count and of the modifiers.
#ifndef SWITCHYARD_EMULATOR_PTX_BIND_UTIL_H_
#define SWITCHYARD_EMULATOR_PTX_BIND_UTIL_H_

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>

#include "emulator/ptx/kernel_builder.h"

namespace emu {

inline void RequireOperandCount(const ParsedInstruction& instruction, const KernelBuilder& builder,
                                size_t least, size_t most) {
  const size_t count = instruction.operands.size();
  if (count < least || count > most) builder.Fail(instruction, "number of operands");
}

inline void RequireOperandCount(const ParsedInstruction& instruction, const KernelBuilder& builder,
                                size_t count) {
  RequireOperandCount(instruction, builder, count, count);
}

// Every part after the base is a type or one of `allowed`: a modifier that a binder does not know
// must not pass for one that changes nothing.
inline void RequireModifiers(const ParsedInstruction& instruction, const KernelBuilder& builder,
                             std::initializer_list<std::string_view> allowed) {
  for (size_t i = 1; i < instruction.parts.size(); ++i) {
    const std::string_view part = instruction.parts[i];
    if (ParseScalarType(part) != ScalarType::kNone) continue;
    if (std::find(allowed.begin(), allowed.end(), part) == allowed.end()) {
      builder.Fail(instruction, "unknown modifier '." + std::string(part) + "'");
    }
  }
}

// Binds destination and sources of one type: d, a, b, ...
inline Op BindSimple(const ParsedInstruction& instruction, KernelBuilder& builder, Execute execute,
                     ScalarType result, std::initializer_list<ScalarType> sources) {
  if (execute == nullptr) builder.Fail(instruction, "unknown form");
  RequireOperandCount(instruction, builder, sources.size() + 1);
  Op op;
  op.execute = execute;
  op.slots[0] = builder.Destination(instruction.operands[0], BitsOf(result));
  size_t i = 1;
  for (const ScalarType type : sources) {
    op.slots[i] = builder.Source(instruction.operands[i], type);
    ++i;
  }
  return op;
}

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_BIND_UTIL_H_
