// One PTX instruction as the parser read it: names, not yet bound to registers. Views point into
// the module's text, which lives as long as the module.
#ifndef SWITCHYARD_EMULATOR_PTX_INSTRUCTION_H_
#define SWITCHYARD_EMULATOR_PTX_INSTRUCTION_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "emulator/ptx/types.h"

namespace emu {

struct Operand {
  enum class Kind : uint8_t {
    kName,     // register, special register, variable, label or function; `bits` is an added offset
    kInteger,  // `bits`, two's complement
    kF32,      // 0fXXXXXXXX: `bits` is its pattern
    kF64,      // 0dXXXXXXXXXXXXXXXX or a decimal fraction: `bits` is its pattern
    kMemory,   // [name + bits] or [name + bits, {elements}]; name may be empty
    kVector,   // {elements}
    kList,     // (elements), of a call
    kSink,     // _
  };
  Kind kind = Kind::kSink;
  bool negated = false;  // !p
  std::string_view name;
  std::string_view second;  // q of p|q; empty: none
  uint64_t bits = 0;
  std::vector<Operand> elements;
};

struct ParsedInstruction {
  uint32_t line = 0;                    // 1-based, in the module's text
  std::string_view opcode;              // whole, "cp.async.bulk.tensor.2d.shared::cluster..."
  std::vector<std::string_view> parts;  // split at dots; parts[0] is the base
  std::string_view guard;               // predicate register of @p, or empty
  bool guard_negated = false;
  std::vector<Operand> operands;

  // Whether any part after the first is `modifier`.
  bool Has(std::string_view modifier) const {
    for (size_t i = 1; i < parts.size(); ++i) {
      if (parts[i] == modifier) return true;
    }
    return false;
  }
  // The last part that is a type; kNone if there is none. Most opcodes end in their type.
  ScalarType type() const;
  // All parts that are types, in order.
  std::vector<ScalarType> types() const;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_INSTRUCTION_H_
