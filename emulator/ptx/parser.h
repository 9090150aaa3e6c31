// PTX text to ParsedModule. Knows the language's directives and the shapes of operands, not its
// instructions.
#ifndef SWITCHYARD_EMULATOR_PTX_PARSER_H_
#define SWITCHYARD_EMULATOR_PTX_PARSER_H_

#include <string_view>

#include "emulator/ptx/lexer.h"
#include "emulator/ptx/parsed_module.h"

namespace emu {

class Parser {
 public:
  // REQUIRES: `text` outlives everything parsed from it.
  explicit Parser(std::string_view text) : lexer_(text) {}
  // Throws ParseError.
  ParsedModule Parse();

 private:
  void ParseTopLevel(ParsedModule& module);
  void ParseFunction(bool is_entry, ParsedModule& module);
  void ParseSides(uint32_t (&sides)[3]);
  void ParseFunctionAttributes(ParsedFunction& function);
  void ParseBody(ParsedFunction& function);
  void ParseRegisters(ParsedFunction& function);
  bool ParseLabelled(ParsedFunction& function);
  ParsedPrototype ParsePrototype(std::string_view name);
  std::vector<ParsedVariable> ParseParams();
  // After the space directive, up to the end of the name and bounds.
  ParsedVariable ParseVariable(VariableSpace space);
  void ParseInitializers(ParsedVariable& variable);
  ParsedVariable::Initializer ParseInitializer(ScalarType type);
  ParsedInstruction ParseInstruction();
  Operand ParseOperand();
  Operand ParseMemory();
  Operand ParseNumber(bool negative);
  std::vector<Operand> ParseElements(std::string_view end);
  uint64_t ParseUnsigned();
  void SkipBraces();
  [[noreturn]] void Unexpected();

  Lexer lexer_;
  ScalarType variable_type_ = ScalarType::kNone;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_PARSER_H_
