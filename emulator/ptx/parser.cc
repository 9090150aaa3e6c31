#include "emulator/ptx/parser.h"

#include <bit>
#include <string>

#include "emulator/ptx/fault.h"

namespace emu {
namespace {

bool IsSpaceDirective(std::string_view text, VariableSpace* space) {
  if (text == ".global") {
    *space = VariableSpace::kGlobal;
  } else if (text == ".const") {
    *space = VariableSpace::kConst;
  } else if (text == ".shared") {
    *space = VariableSpace::kShared;
  } else if (text == ".local") {
    *space = VariableSpace::kLocal;
  } else if (text == ".param") {
    *space = VariableSpace::kParam;
  } else {
    return false;
  }
  return true;
}

bool StartsWithDigit(std::string_view text) {
  return !text.empty() && text.front() >= '0' && text.front() <= '9';
}

constexpr uint64_t kMaxVariableBytes = uint64_t{1} << 34;
constexpr uint64_t kMaxSide = 1024;  // of a block or a cluster; three of them fit 32 bits

}  // namespace

void Parser::Unexpected() {
  lexer_.Fail(lexer_.peek().line, "unexpected '" + std::string(lexer_.peek().text) + "'");
}

ParsedModule Parser::Parse() {
  ParsedModule module;
  while (!lexer_.peek().text.empty()) ParseTopLevel(module);
  return module;
}

void Parser::ParseTopLevel(ParsedModule& module) {
  const Token token = lexer_.peek();
  const std::string_view text = token.text;
  if (text == ".version" || text == ".target" || text == ".address_size" || text == ".file" ||
      text == ".loc") {
    return lexer_.SkipLine();
  }
  if (text == ".section") {  // of debug information
    lexer_.Take();
    lexer_.Take();
    lexer_.Expect("{");
    return SkipBraces();
  }
  bool is_extern = false;
  while (true) {
    if (lexer_.TakeIf(".extern")) {
      is_extern = true;
    } else if (!lexer_.TakeIf(".visible") && !lexer_.TakeIf(".weak") && !lexer_.TakeIf(".common")) {
      break;
    }
  }
  VariableSpace space;
  if (IsSpaceDirective(lexer_.peek().text, &space)) {
    lexer_.Take();
    ParsedVariable variable = ParseVariable(space);
    variable.is_extern = is_extern;
    if (lexer_.TakeIf("=")) ParseInitializers(variable);
    lexer_.Expect(";");
    if (variable.bytes == 0 && !is_extern) lexer_.Fail(token.line, "variable without a size");
    module.variables.push_back(std::move(variable));
  } else if (lexer_.TakeIf(".entry")) {
    ParseFunction(true, module);
  } else if (lexer_.TakeIf(".func")) {
    ParseFunction(false, module);
  } else {
    Unexpected();
  }
}

void Parser::SkipBraces() {
  for (int depth = 1; depth > 0;) {
    const Token token = lexer_.Take();
    if (token.text.empty()) lexer_.Fail(token.line, "section without an end");
    depth += token.text == "{" ? 1 : token.text == "}" ? -1 : 0;
  }
}

ParsedVariable Parser::ParseVariable(VariableSpace space) {
  ParsedVariable variable;
  variable.space = space;
  variable_type_ = ScalarType::kNone;
  uint32_t vector_width = 1;
  while (lexer_.peek().text.starts_with(".")) {
    const Token token = lexer_.Take();
    if (token.text == ".align") {
      variable.align = static_cast<uint32_t>(ParseUnsigned());
      if (!std::has_single_bit(variable.align)) lexer_.Fail(token.line, "alignment");
    } else if (token.text == ".v2" || token.text == ".v4") {
      vector_width = token.text == ".v2" ? 2 : 4;
    } else if (token.text == ".ptr" || token.text == ".global" || token.text == ".shared" ||
               token.text == ".local" || token.text == ".const") {
      // Of a pointer parameter: what it points to.
    } else if (token.text == ".attribute") {
      while (!lexer_.peek().text.empty() && lexer_.Take().text != ")") continue;
    } else {
      variable_type_ = ParseScalarType(token.text.substr(1));
      if (BitsOf(variable_type_) < 8) lexer_.Fail(token.line, "unknown type of a variable");
    }
  }
  if (variable_type_ == ScalarType::kNone) Unexpected();
  variable.element_bytes = BitsOf(variable_type_) / 8;
  if (variable.align == 0) variable.align = variable.element_bytes * vector_width;
  const Token name = lexer_.Take();
  variable.name = name.text;
  variable.line = name.line;
  variable.bytes = uint64_t{variable.element_bytes} * vector_width;
  while (lexer_.TakeIf("[")) {
    const uint64_t count = lexer_.peek().text == "]" ? 0 : ParseUnsigned();
    if (variable.bytes != 0 && count > kMaxVariableBytes / variable.bytes) {
      lexer_.Fail(name.line, "array too large");
    }
    variable.bytes *= count;
    lexer_.Expect("]");
  }
  return variable;
}

void Parser::ParseInitializers(ParsedVariable& variable) {
  const ScalarType type = variable_type_;
  const bool list = lexer_.TakeIf("{");
  if (!list) variable.initializers.push_back(ParseInitializer(type));
  for (int depth = list ? 1 : 0; depth > 0;) {
    if (lexer_.TakeIf("{")) {
      ++depth;
    } else if (lexer_.TakeIf("}")) {
      --depth;
    } else if (!lexer_.TakeIf(",")) {
      variable.initializers.push_back(ParseInitializer(type));
    }
  }
  if (variable.initializers.size() * variable.element_bytes > variable.bytes) {
    lexer_.Fail(variable.line, "more initialisers than elements");
  }
}

// 12, 0f3F800000, symbol, symbol+8, generic(symbol)+8, 0xFF00(symbol): that byte of the address.
ParsedVariable::Initializer Parser::ParseInitializer(ScalarType type) {
  ParsedVariable::Initializer result;
  if (lexer_.peek().text.empty()) Unexpected();
  if (lexer_.peek().text == "-" || StartsWithDigit(lexer_.peek().text)) {
    const uint32_t line = lexer_.peek().line;
    const bool negative = lexer_.TakeIf("-");
    Operand number = ParseNumber(negative);
    if (number.kind == Operand::Kind::kF64 && type == ScalarType::kF32) {
      number.bits = std::bit_cast<uint32_t>(static_cast<float>(std::bit_cast<double>(number.bits)));
    }
    if (!lexer_.TakeIf("(")) {
      result.bits = number.bits;
      return result;
    }
    if (number.bits == 0) lexer_.Fail(line, "mask of an address' bytes");
    result.shift = static_cast<uint32_t>(std::countr_zero(number.bits));
    result.symbol = lexer_.Take().text;
    if (result.symbol == "generic") {
      lexer_.Expect("(");
      result.symbol = lexer_.Take().text;
      lexer_.Expect(")");
    }
    if (lexer_.TakeIf("+")) result.bits = ParseUnsigned();
    lexer_.Expect(")");
    return result;
  }
  result.symbol = lexer_.Take().text;
  if (result.symbol == "generic") {
    lexer_.Expect("(");
    result.symbol = lexer_.Take().text;
    lexer_.Expect(")");
  }
  if (lexer_.TakeIf("+")) result.bits = ParseUnsigned();
  return result;
}

std::vector<ParsedVariable> Parser::ParseParams() {
  std::vector<ParsedVariable> params;
  while (!lexer_.TakeIf(")")) {
    if (lexer_.TakeIf(",")) continue;
    lexer_.Expect(".param");
    params.push_back(ParseVariable(VariableSpace::kParam));
  }
  return params;
}

void Parser::ParseFunction(bool is_entry, ParsedModule& module) {
  ParsedFunction function;
  function.is_entry = is_entry;
  if (!is_entry && lexer_.TakeIf("(")) function.returns = ParseParams();
  const Token name = lexer_.Take();
  function.name = name.text;
  function.line = name.line;
  if (lexer_.TakeIf("(")) function.params = ParseParams();
  ParseFunctionAttributes(function);
  if (lexer_.TakeIf("{")) {
    function.has_body = true;
    ParseBody(function);
  } else {
    lexer_.Expect(";");
  }
  module.functions.push_back(std::move(function));
}

// One to three numbers; those that are not given are 1.
void Parser::ParseSides(uint32_t (&sides)[3]) {
  for (uint32_t& side : sides) side = 1;
  for (uint32_t i = 0; i < 3 && (i == 0 || lexer_.TakeIf(",")); ++i) {
    const uint32_t line = lexer_.peek().line;
    const uint64_t value = ParseUnsigned();
    if (value == 0 || value > kMaxSide) lexer_.Fail(line, "number out of range");
    sides[i] = static_cast<uint32_t>(value);
  }
}

void Parser::ParseFunctionAttributes(ParsedFunction& function) {
  uint32_t sides[3];
  bool counts_clusters = false;  // .blocksareclusters: a launch's grid is one of clusters
  while (lexer_.peek().text.starts_with(".")) {
    const Token token = lexer_.Take();
    if (token.text == ".maxntid") {
      ParseSides(sides);
      function.max_threads = sides[0] * sides[1] * sides[2];
    } else if (token.text == ".reqntid") {
      ParseSides(function.block);
      function.max_threads = function.block[0] * function.block[1] * function.block[2];
    } else if (token.text == ".reqnctapercluster") {
      ParseSides(function.cluster);
    } else if (token.text == ".blocksareclusters") {
      counts_clusters = true;
    } else if (token.text == ".minnctapersm" || token.text == ".maxnctapersm" ||
               token.text == ".maxnreg" || token.text == ".maxclusterrank") {
      ParseSides(sides);
    } else if (token.text == ".pragma") {
      lexer_.Take();
      lexer_.Expect(";");
    } else if (token.text != ".noreturn" && token.text != ".explicitcluster" &&
               token.text != ".unified") {
      lexer_.Fail(token.line, "unknown function attribute '" + std::string(token.text) + "'");
    }
  }
  const uint32_t(&cluster)[3] = function.cluster;
  if (counts_clusters && cluster[0] * cluster[1] * cluster[2] > 1) {
    lexer_.Fail(function.line, "a grid that counts clusters of several blocks");
  }
}

void Parser::ParseBody(ParsedFunction& function) {
  int depth = 1;
  while (true) {
    const std::string_view text = lexer_.peek().text;
    VariableSpace space;
    if (text.empty()) lexer_.Fail(lexer_.peek().line, "end of text inside a function");
    if (text == "{") {
      lexer_.Take();
      ++depth;
      function.body.emplace_back(ScopeBegin{});
    } else if (text == "}") {
      lexer_.Take();
      if (--depth == 0) return;
      function.body.emplace_back(ScopeEnd{});
    } else if (text == ";") {
      lexer_.Take();
    } else if (text == ".reg") {
      ParseRegisters(function);
    } else if (text == ".loc" || text == ".file") {
      lexer_.SkipLine();
    } else if (text == ".pragma") {
      lexer_.Take();
      lexer_.Take();
      lexer_.Expect(";");
    } else if (IsSpaceDirective(text, &space)) {
      lexer_.Take();
      ParsedVariable variable = ParseVariable(space);
      if (lexer_.peek().text == "=")
        lexer_.Fail(variable.line, "initialised variable in a function");
      lexer_.Expect(";");
      function.body.emplace_back(std::move(variable));
    } else if (!ParseLabelled(function)) {
      function.body.emplace_back(ParseInstruction());
    }
  }
}

void Parser::ParseRegisters(ParsedFunction& function) {
  const uint32_t line = lexer_.Take().line;
  const std::string_view type_name = lexer_.Take().text;
  const ScalarType type =
      type_name.starts_with(".") ? ParseScalarType(type_name.substr(1)) : ScalarType::kNone;
  if (type == ScalarType::kNone) lexer_.Fail(line, "unknown register type");
  do {
    ParsedRegisters registers{.type = type, .name = lexer_.Take().text};
    if (lexer_.TakeIf("<")) {
      const uint64_t count = ParseUnsigned();
      if (count == 0 || count > 1'000'000) lexer_.Fail(line, "number of registers");
      registers.count = static_cast<uint32_t>(count);
      lexer_.Expect(">");
    }
    function.body.emplace_back(registers);
  } while (lexer_.TakeIf(","));
  lexer_.Expect(";");
}

// "name:", alone or before .branchtargets and .callprototype.
bool Parser::ParseLabelled(ParsedFunction& function) {
  if (!lexer_.NextIs(":")) return false;
  const std::string_view name = lexer_.Take().text;
  lexer_.Expect(":");
  if (lexer_.TakeIf(".branchtargets")) {
    ParsedTargets targets{.name = name};
    do {
      targets.labels.push_back(lexer_.Take().text);
    } while (lexer_.TakeIf(","));
    lexer_.Expect(";");
    function.body.emplace_back(std::move(targets));
  } else if (lexer_.TakeIf(".callprototype")) {
    function.body.emplace_back(ParsePrototype(name));
  } else {
    function.body.emplace_back(ParsedLabel{name});
  }
  return true;
}

ParsedPrototype Parser::ParsePrototype(std::string_view name) {
  ParsedPrototype prototype{.name = name};
  if (lexer_.TakeIf("(")) prototype.returns = ParseParams();
  lexer_.Expect("_");
  if (lexer_.TakeIf("(")) prototype.params = ParseParams();
  while (!lexer_.peek().text.empty() && !lexer_.TakeIf(";")) lexer_.Take();
  return prototype;
}

}  // namespace emu
