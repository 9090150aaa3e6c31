#include "emulator/ptx/lexer.h"

#include "emulator/ptx/fault.h"

namespace emu {
namespace {

bool IsNameCharacter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
         c == '$' || c == '%' || c == '.';
}

}  // namespace

void Lexer::SkipBlank() {
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (c == '\n') {
      ++line_;
      ++position_;
    } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v') {
      ++position_;
    } else if (text_.substr(position_, 2) == "//") {
      while (position_ < text_.size() && text_[position_] != '\n') ++position_;
    } else if (text_.substr(position_, 2) == "/*") {
      const size_t end = text_.find("*/", position_ + 2);
      if (end == std::string_view::npos) Fail(line_, "comment without an end");
      for (; position_ < end + 2; ++position_) line_ += text_[position_] == '\n';
    } else {
      return;
    }
  }
}

void Lexer::Advance() {
  SkipBlank();
  const size_t begin = position_;
  token_.line = line_;
  if (begin == text_.size()) {
    token_.text = {};
    return;
  }
  if (text_[begin] == '"') {
    const size_t end = text_.find('"', begin + 1);
    if (end == std::string_view::npos) Fail(line_, "string without an end");
    position_ = end + 1;
  } else if (!IsNameCharacter(text_[begin])) {
    ++position_;
  } else {
    const bool directive = text_[begin] == '.';  // ".reg.b32" is two
    while (position_ < text_.size()) {
      if (directive && position_ > begin && text_[position_] == '.') break;
      if (IsNameCharacter(text_[position_])) {
        ++position_;
      } else if (text_.substr(position_, 2) == "::") {
        position_ += 2;
      } else {
        break;
      }
    }
  }
  token_.text = text_.substr(begin, position_ - begin);
}

void Lexer::Expect(std::string_view text) {
  if (token_.text != text) {
    Fail(token_.line,
         "expected '" + std::string(text) + "', got '" + std::string(token_.text) + "'");
  }
  Advance();
}

void Lexer::SkipLine() {
  const uint32_t line = token_.line;
  while (!token_.text.empty() && token_.line == line) Advance();
}

bool Lexer::NextIs(std::string_view text) const {
  Lexer ahead = *this;
  ahead.Advance();
  return ahead.token_.text == text;
}

std::string_view Lexer::LineText(std::string_view text, uint32_t line) {
  size_t begin = 0;
  for (uint32_t i = 1; i < line; ++i) {
    begin = text.find('\n', begin);
    if (begin == std::string_view::npos) return {};
    ++begin;
  }
  size_t end = text.find('\n', begin);
  if (end == std::string_view::npos) end = text.size();
  while (begin < end && (text[begin] == ' ' || text[begin] == '\t')) ++begin;
  while (end > begin && (text[end - 1] == ' ' || text[end - 1] == '\r')) --end;
  return text.substr(begin, end - begin);
}

void Lexer::Fail(uint32_t line, const std::string& message) const {
  throw ParseError("line " + std::to_string(line) + ": " + message + ": " +
                   std::string(LineText(line)));
}

}  // namespace emu
