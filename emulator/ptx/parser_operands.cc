// Instructions and their operands: the part of Parser that works inside function bodies.
#include <algorithm>
#include <bit>
#include <charconv>
#include <cstdlib>
#include <string>

#include "emulator/ptx/fault.h"
#include "emulator/ptx/parser.h"

namespace emu {
namespace {

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

ParsedInstruction Parser::ParseInstruction() {
  ParsedInstruction result;
  result.line = lexer_.peek().line;
  if (lexer_.TakeIf("@")) {
    result.guard_negated = lexer_.TakeIf("!");
    result.guard = lexer_.Take().text;
  }
  result.opcode = lexer_.peek().text;
  if (result.opcode.empty() || result.opcode.front() < 'a' || result.opcode.front() > 'z') {
    Unexpected();
  }
  lexer_.Take();
  for (size_t begin = 0; begin <= result.opcode.size();) {
    const size_t end = std::min(result.opcode.find('.', begin), result.opcode.size());
    result.parts.push_back(result.opcode.substr(begin, end - begin));
    begin = end + 1;
  }
  while (!lexer_.TakeIf(";")) {
    result.operands.push_back(ParseOperand());
    if (!lexer_.TakeIf(",") && lexer_.peek().text != ";") Unexpected();
  }
  return result;
}

// What stands between brackets holds none itself.
std::vector<Operand> Parser::ParseElements(std::string_view end) {
  std::vector<Operand> elements;
  while (!lexer_.TakeIf(end)) {
    const std::string_view text = lexer_.peek().text;
    if (text == "{" || text == "(" || text == "[") Unexpected();
    elements.push_back(ParseOperand());
    if (!lexer_.TakeIf(",") && lexer_.peek().text != end) Unexpected();
  }
  return elements;
}

Operand Parser::ParseOperand() {
  Operand result;
  if (lexer_.TakeIf("{")) {
    result.kind = Operand::Kind::kVector;
    result.elements = ParseElements("}");
    return result;
  }
  if (lexer_.TakeIf("(")) {
    result.kind = Operand::Kind::kList;
    result.elements = ParseElements(")");
    return result;
  }
  if (lexer_.TakeIf("[")) return ParseMemory();
  result.negated = lexer_.TakeIf("!");
  const bool negative = lexer_.TakeIf("-");
  if (lexer_.peek().text.empty()) Unexpected();
  if (IsDigit(lexer_.peek().text.front())) return ParseNumber(negative);
  if (negative) Unexpected();
  const std::string_view name = lexer_.Take().text;
  if (name == "_") {
    result.kind = Operand::Kind::kSink;
  } else {
    if (name.size() == 1 && !(name[0] >= 'A' && name[0] <= 'z')) {
      lexer_.Fail(lexer_.peek().line, "unexpected '" + std::string(name) + "'");
    }
    result.kind = Operand::Kind::kName;
    result.name = name;
  }
  if (lexer_.TakeIf("|")) result.second = lexer_.Take().text;
  if (result.second == "_") result.second = {};
  if (lexer_.TakeIf("+")) {
    result.bits = lexer_.TakeIf("-") ? -ParseUnsigned() : ParseUnsigned();
  }
  return result;
}

Operand Parser::ParseMemory() {
  Operand result;
  result.kind = Operand::Kind::kMemory;
  if (!lexer_.peek().text.empty() && IsDigit(lexer_.peek().text.front())) {
    result.bits = ParseUnsigned();
  } else {
    result.name = lexer_.Take().text;
  }
  while (lexer_.peek().text == "+" || lexer_.peek().text == "-") {
    bool negative = lexer_.Take().text == "-";
    negative ^= lexer_.TakeIf("-");
    const uint64_t offset = ParseUnsigned();
    result.bits += negative ? -offset : offset;
  }
  if (lexer_.TakeIf(",")) {
    lexer_.Expect("{");
    result.elements = ParseElements("}");
  }
  lexer_.Expect("]");
  return result;
}

Operand Parser::ParseNumber(bool negative) {
  const Token token = lexer_.peek();
  const std::string_view text = token.text;
  Operand result;
  const bool hex_float = text.size() > 2 && text[0] == '0' && (text[1] == 'f' || text[1] == 'F');
  const bool hex_double = text.size() > 2 && text[0] == '0' && (text[1] == 'd' || text[1] == 'D');
  if (hex_float || hex_double) {
    lexer_.Take();
    const size_t digits = hex_float ? 8 : 16;
    const auto parsed =
        std::from_chars(text.data() + 2, text.data() + text.size(), result.bits, 16);
    if (text.size() != digits + 2 || parsed.ptr != text.data() + text.size()) {
      lexer_.Fail(token.line, "floating literal '" + std::string(text) + "'");
    }
    result.kind = hex_float ? Operand::Kind::kF32 : Operand::Kind::kF64;
    if (negative) result.bits ^= uint64_t{1} << (hex_float ? 31 : 63);
    return result;
  }
  if (text.find('.') != std::string_view::npos) {
    lexer_.Take();
    char* end = nullptr;
    const std::string copy(text);
    const double value = std::strtod(copy.c_str(), &end);
    if (*end != '\0') lexer_.Fail(token.line, "floating literal '" + copy + "'");
    result.kind = Operand::Kind::kF64;
    result.bits = std::bit_cast<uint64_t>(negative ? -value : value);
    return result;
  }
  result.kind = Operand::Kind::kInteger;
  result.bits = ParseUnsigned();
  if (negative) result.bits = -result.bits;
  return result;
}

uint64_t Parser::ParseUnsigned() {
  const Token token = lexer_.Take();
  std::string_view text = token.text;
  if (text.ends_with('U')) text.remove_suffix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.starts_with("0b") || text.starts_with("0B")) {
    base = 2;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text[0] == '0') {
    base = 8;
  }
  uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) {
    lexer_.Fail(token.line, "number expected, got '" + std::string(token.text) + "'");
  }
  return value;
}

}  // namespace emu
