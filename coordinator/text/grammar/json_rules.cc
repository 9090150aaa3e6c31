#include "coordinator/text/grammar/json_rules.h"

#include <string_view>

#include "coordinator/text/grammar/code_points.h"

namespace switchyard::text::grammar {
namespace {

const ByteSet kDigits = ByteRange('0', '9');

ByteSet BytesOf(std::string_view bytes) {
  ByteSet set;
  for (const char c : bytes) set.set(static_cast<uint8_t>(c));
  return set;
}

ByteSet HexDigits() { return BytesOf("0123456789abcdefABCDEF"); }

// `min` to `max` digits.
uint32_t AddDigits(uint32_t from, int min, int max, Nfa& nfa) {
  const uint32_t end = nfa.AddState();
  for (int i = 0; i < max; ++i) {
    if (i >= min) nfa.AddJump(from, end);
    from = nfa.AddBytes(from, kDigits);
  }
  nfa.AddJump(from, end);
  return end;
}

// One character of a JSON string, from `from` to `to`: as it is, or with any escape.
void AddCharacter(uint32_t from, uint32_t to, Nfa& nfa) {
  CodePoints plain = CodePoints::Of(0, 0x1f);
  plain.Add('"', '"');
  plain.Add('\\', '\\');
  nfa.AddJump(AddCodePoints(plain.Complement(), Encoding::kPlain, from, nfa), to);
  const uint32_t escape = nfa.AddText(from, "\\");
  nfa.AddBytes(escape, BytesOf("\"\\/bfnrt"), to);
  const ByteSet hex = HexDigits();
  const auto add_hex = [&](uint32_t at, int count) {
    for (; count > 1; --count) at = nfa.AddBytes(at, hex);
    nfa.AddBytes(at, hex, to);
  };
  const uint32_t unicode = nfa.AddText(escape, "u");
  const ByteSet letter_d = BytesOf("dD");
  add_hex(nfa.AddBytes(unicode, hex & ~letter_d), 3);
  const uint32_t after_d = nfa.AddBytes(unicode, letter_d);
  add_hex(nfa.AddBytes(after_d, BytesOf("01234567")), 2);
  // D800 to DBFF, then DC00 to DFFF.
  uint32_t pair = nfa.AddBytes(after_d, BytesOf("89abAB"));
  pair = nfa.AddBytes(nfa.AddBytes(pair, hex), hex);
  pair = nfa.AddBytes(nfa.AddText(pair, "\\u"), letter_d);
  add_hex(nfa.AddBytes(pair, BytesOf("cdefCDEF")), 2);
}

}  // namespace

uint32_t AddInteger(uint32_t from, Nfa& nfa) {
  const uint32_t digits = nfa.AddState();
  nfa.AddJump(from, digits);
  nfa.AddJump(nfa.AddText(from, "-"), digits);
  const uint32_t end = AddDigits(nfa.AddBytes(digits, ByteRange('1', '9')), 0, 17, nfa);
  nfa.AddJump(nfa.AddText(digits, "0"), end);
  return end;
}

uint32_t AddNumber(uint32_t from, Nfa& nfa) {
  const uint32_t whole = AddInteger(from, nfa);
  const uint32_t fraction = AddDigits(nfa.AddText(whole, "."), 1, 17, nfa);
  nfa.AddJump(whole, fraction);
  const uint32_t exponent = nfa.AddBytes(fraction, BytesOf("eE"));
  const uint32_t digits = nfa.AddBytes(exponent, BytesOf("+-"));
  nfa.AddJump(exponent, digits);
  const uint32_t end = AddDigits(digits, 1, 2, nfa);
  nfa.AddJump(fraction, end);
  return end;
}

uint32_t JsonRules::AddSpace(uint32_t from, Nfa& nfa) const {
  if (spacing_ != JsonSpacing::kFlexible) return from;
  const uint32_t space = nfa.AddState();
  nfa.AddJump(from, space);
  nfa.AddBytes(space, BytesOf(" \t\n\r"), space);
  return space;
}

uint32_t JsonRules::AddBehindMark(uint32_t from, Nfa& nfa) const {
  if (spacing_ != JsonSpacing::kOneBlank) return AddSpace(from, nfa);
  const uint32_t end = nfa.AddText(from, " ");
  nfa.AddJump(from, end);
  return end;
}

uint32_t JsonRules::AddComma(uint32_t from, Nfa& nfa) const {
  return AddBehindMark(nfa.AddText(from, ","), nfa);
}

uint32_t JsonRules::AddColon(uint32_t from, Nfa& nfa) const {
  return AddBehindMark(nfa.AddText(AddSpace(from, nfa), ":"), nfa);
}

absl::StatusOr<uint32_t> JsonRules::Character() {
  if (character_.has_value()) return *character_;
  character_ = book_.AddRule("a character");
  Nfa nfa(book_.budget());
  const uint32_t end = nfa.AddState();
  AddCharacter(0, end, nfa);
  nfa.Accept(end);
  SY_RETURN_IF_ERROR(book_.SetBody(*character_, nfa));
  return *character_;
}

absl::StatusOr<uint32_t> JsonRules::String() {
  if (string_.has_value()) return *string_;
  string_ = book_.AddRule("a string");
  Nfa nfa(book_.budget());
  const uint32_t inside = nfa.AddText(0, "\"");
  AddCharacter(inside, inside, nfa);
  nfa.Accept(nfa.AddText(inside, "\""));
  SY_RETURN_IF_ERROR(book_.SetBody(*string_, nfa));
  return *string_;
}

absl::StatusOr<uint32_t> JsonRules::Value() {
  if (value_.has_value()) return *value_;
  value_ = book_.AddRule("a value");
  SY_RETURN_IF_ERROR(FillValue(*value_));
  return *value_;
}

absl::StatusOr<uint32_t> JsonRules::Object() {
  if (object_.has_value()) return *object_;
  object_ = book_.AddRule("an object");
  SY_RETURN_IF_ERROR(FillObject(*object_));
  return *object_;
}

absl::StatusOr<uint32_t> JsonRules::Array() {
  if (array_.has_value()) return *array_;
  array_ = book_.AddRule("an array");
  SY_RETURN_IF_ERROR(FillArray(*array_));
  return *array_;
}

absl::Status JsonRules::FillValue(uint32_t rule) {
  SY_ASSIGN_OR_RETURN(const uint32_t object, Object());
  SY_ASSIGN_OR_RETURN(const uint32_t array, Array());
  SY_ASSIGN_OR_RETURN(const uint32_t string, String());
  Nfa nfa(book_.budget());
  for (const uint32_t callee : {object, array, string}) {
    nfa.Accept(nfa.AddCall(0, {.rule = callee}));
  }
  for (const std::string_view word : {"true", "false", "null"}) nfa.Accept(nfa.AddText(0, word));
  nfa.Accept(AddNumber(0, nfa));
  return book_.SetBody(rule, nfa);
}

absl::Status JsonRules::FillObject(uint32_t rule) {
  SY_ASSIGN_OR_RETURN(const uint32_t string, String());
  SY_ASSIGN_OR_RETURN(const uint32_t value, Value());
  Nfa nfa(book_.budget());
  const uint32_t begin = AddSpace(nfa.AddText(0, "{"), nfa);
  const uint32_t colon = AddColon(nfa.AddCall(begin, {.rule = string}), nfa);
  const uint32_t end = AddSpace(nfa.AddCall(colon, {.rule = value}), nfa);
  const uint32_t next = AddComma(end, nfa);
  const uint32_t next_colon = AddColon(nfa.AddCall(next, {.rule = string}), nfa);
  nfa.AddJump(AddSpace(nfa.AddCall(next_colon, {.rule = value}), nfa), end);
  nfa.Accept(nfa.AddText(begin, "}"));
  nfa.Accept(nfa.AddText(end, "}"));
  return book_.SetBody(rule, nfa);
}

absl::Status JsonRules::FillArray(uint32_t rule) {
  SY_ASSIGN_OR_RETURN(const uint32_t value, Value());
  Nfa nfa(book_.budget());
  const uint32_t begin = AddSpace(nfa.AddText(0, "["), nfa);
  const uint32_t end = AddSpace(nfa.AddCall(begin, {.rule = value}), nfa);
  const uint32_t next = AddComma(end, nfa);
  nfa.AddJump(AddSpace(nfa.AddCall(next, {.rule = value}), nfa), end);
  nfa.Accept(nfa.AddText(begin, "]"));
  nfa.Accept(nfa.AddText(end, "]"));
  return book_.SetBody(rule, nfa);
}

}  // namespace switchyard::text::grammar
