// A PTX text as the parser read it: variables, functions and their bodies, names not yet bound.
#ifndef SWITCHYARD_EMULATOR_PTX_PARSED_MODULE_H_
#define SWITCHYARD_EMULATOR_PTX_PARSED_MODULE_H_

#include <cstdint>
#include <string_view>
#include <variant>
#include <vector>

#include "emulator/ptx/instruction.h"

namespace emu {

enum class VariableSpace : uint8_t { kGlobal, kConst, kShared, kLocal, kParam };

struct ParsedVariable {
  // One element's value: a number, or the address of another variable plus a number, of which
  // `shift` says by how many bits it is moved down (initialisers written byte by byte).
  struct Initializer {
    uint64_t bits = 0;
    std::string_view symbol;
    uint32_t shift = 0;
  };
  VariableSpace space = VariableSpace::kGlobal;
  bool is_extern = false;
  uint32_t line = 0;
  uint32_t align = 0;  // bytes
  uint32_t element_bytes = 0;
  uint64_t bytes = 0;  // 0: extern array without bounds
  std::string_view name;
  std::vector<Initializer> initializers;
};

struct ParsedRegisters {
  ScalarType type = ScalarType::kNone;
  std::string_view name;
  uint32_t count = 0;  // name0 to name(count-1); 0: the name itself
};

struct ParsedLabel {
  std::string_view name;
};

struct ScopeBegin {};
struct ScopeEnd {};

// A list of labels for brx.idx, or the shape of an indirect call.
struct ParsedTargets {
  std::string_view name;
  std::vector<std::string_view> labels;
};
struct ParsedPrototype {
  std::string_view name;
  std::vector<ParsedVariable> returns, params;
};

using BodyItem = std::variant<ParsedInstruction, ParsedRegisters, ParsedVariable, ParsedLabel,
                              ParsedTargets, ParsedPrototype, ScopeBegin, ScopeEnd>;

struct ParsedFunction {
  std::string_view name;
  uint32_t line = 0;
  bool is_entry = false;
  bool has_body = false;
  std::vector<ParsedVariable> returns, params;
  uint32_t max_threads = 0;         // 0: not given
  uint32_t block[3] = {0, 0, 0};    // .reqntid; 0: not given
  uint32_t cluster[3] = {0, 0, 0};  // .reqnctapercluster; 0: not given
  std::vector<BodyItem> body;
};

struct ParsedModule {
  std::vector<ParsedVariable> variables;  // .global, .const, .shared
  std::vector<ParsedFunction> functions;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_PARSED_MODULE_H_
