// PTX text to tokens. Comments vanish; a name takes its dots and "::" with it ("%tid.x",
// "shared::cta"), everything else is one character.
#ifndef SWITCHYARD_EMULATOR_PTX_LEXER_H_
#define SWITCHYARD_EMULATOR_PTX_LEXER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace emu {

struct Token {
  std::string_view text;  // empty: the end
  uint32_t line = 0;
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) { Advance(); }

  const Token& peek() const { return token_; }
  Token Take() {
    Token taken = token_;
    Advance();
    return taken;
  }
  // Takes the token if it is `text`.
  bool TakeIf(std::string_view text) {
    if (token_.text != text) return false;
    Advance();
    return true;
  }
  // Throws ParseError unless the next token is `text`.
  void Expect(std::string_view text);
  // The next token and all others on its line.
  void SkipLine();
  // Whether the token after the next is `text`.
  bool NextIs(std::string_view text) const;

  [[noreturn]] void Fail(uint32_t line, const std::string& message) const;
  std::string_view LineText(uint32_t line) const { return LineText(text_, line); }
  static std::string_view LineText(std::string_view text, uint32_t line);

 private:
  void Advance();
  void SkipBlank();

  std::string_view text_;
  size_t position_ = 0;
  uint32_t line_ = 1;
  Token token_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_LEXER_H_
