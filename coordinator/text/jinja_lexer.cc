#include "coordinator/text/jinja_lexer.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "coordinator/text/utf8.h"

namespace switchyard::text::jinja {
namespace {

bool IsAsciiSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}

// "\r\n" and "\r" become "\n", and one newline at the very end goes, as in Jinja.
std::string NormalizeNewlines(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (size_t i = 0; i < source.size(); ++i) {
    if (source[i] == '\r' && i + 1 < source.size() && source[i + 1] == '\n') continue;
    text += source[i] == '\r' ? '\n' : source[i];
  }
  if (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

class Lexer {
 public:
  explicit Lexer(std::string source) : source_(std::move(source)) {}

  absl::StatusOr<std::vector<Token>> Run() {
    while (position_ < source_.size()) SY_RETURN_IF_ERROR(LexTextAndTag());
    Emit(Token::Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  using Kind = Token::Kind;

  bool At(std::string_view spelling) const { return At(position_, spelling); }
  bool At(size_t position, std::string_view spelling) const {
    return source_.compare(position, spelling.size(), spelling) == 0;
  }
  absl::Status Error(std::string_view message) const { return SyntaxError(line_, message); }

  // Moves on, counting lines.
  void Advance(size_t num_bytes) {
    line_ +=
        int(std::count(source_.begin() + position_, source_.begin() + position_ + num_bytes, '\n'));
    position_ += num_bytes;
  }
  void SkipSpace() {
    size_t end = position_;
    while (end < source_.size() && IsAsciiSpace(source_[end])) ++end;
    Advance(end - position_);
  }
  void Emit(Kind kind, std::string text) {
    tokens_.push_back({.kind = kind, .text = std::move(text), .line = line_});
  }

  size_t FindTag(size_t from) const {
    for (size_t at = source_.find('{', from); at != std::string::npos;
         at = source_.find('{', at + 1)) {
      if (at + 1 < source_.size() &&
          std::string_view("{%#").find(source_[at + 1]) != std::string::npos) {
        return at;
      }
    }
    return source_.size();
  }

  // Writes source_[position_, end) as text, cut at its right end as the tag that starts at `end`
  // demands.
  void EmitText(size_t end, bool before_output) {
    const char sign = end + 2 < source_.size() ? source_[end + 2] : '\0';
    size_t text_end = end;
    if (end < source_.size() && sign == '-') {
      while (text_end > position_ && IsAsciiSpace(source_[text_end - 1])) --text_end;
    } else if (end < source_.size() && sign != '+' && !before_output) {
      size_t blank = end;
      while (blank > position_ && source_[blank - 1] != '\n' && IsAsciiSpace(source_[blank - 1]))
        --blank;
      const bool line_starts = blank > position_ ? source_[blank - 1] == '\n' : at_line_start_;
      if (line_starts) text_end = blank;
    }
    if (text_end > position_) Emit(Kind::kText, source_.substr(position_, text_end - position_));
    Advance(end - position_);
  }

  absl::Status LexTextAndTag() {
    const size_t tag = FindTag(position_);
    if (tag == source_.size()) {
      EmitText(tag, false);
      return absl::OkStatus();
    }
    const char type = source_[tag + 1];
    EmitText(tag, type == '{');
    at_line_start_ = false;
    if (type == '#') return LexComment();
    size_t after_sign = position_ + 2;
    if (after_sign < source_.size() && (source_[after_sign] == '-' || source_[after_sign] == '+'))
      ++after_sign;
    if (type == '%') {
      if (const size_t raw_end = MatchRawTag(after_sign, "raw"); raw_end != 0)
        return LexRaw(raw_end);
    }
    Emit(type == '%' ? Kind::kBlockBegin : Kind::kOutputBegin, "");
    Advance(after_sign - position_);
    return LexTag(type == '%' ? "%}" : "}}");
  }

  // After the closing bracket of a tag whose bracket carried `sign` (or a NUL).
  void CloseTag(char sign, bool is_block) {
    if (sign == '-') {
      SkipSpace();
    } else if (sign != '+' && is_block && At("\n")) {
      Advance(1);
    }
    at_line_start_ = source_[position_ - 1] == '\n';
  }

  absl::Status LexComment() {
    const size_t end = source_.find("#}", position_ + 2);
    if (end == std::string::npos) return Error("a comment {# without #}");
    // The sign belongs to the end only if it is not the one of the beginning: {#-#}.
    const char sign = end > position_ + 2 ? source_[end - 1] : '\0';
    Advance(end + 2 - position_);
    CloseTag(sign, true);
    return absl::OkStatus();
  }

  // The position of "%}" with its sign, or 0, if `name` and the end of the tag stand at `at`.
  size_t MatchRawTag(size_t at, std::string_view name) const {
    while (at < source_.size() && IsAsciiSpace(source_[at])) ++at;
    if (!At(at, name)) return 0;
    at += name.size();
    while (at < source_.size() && IsAsciiSpace(source_[at])) ++at;
    const size_t bracket =
        at < source_.size() && (source_[at] == '-' || source_[at] == '+') ? at + 1 : at;
    return At(bracket, "%}") ? at : 0;
  }

  absl::Status LexRaw(size_t begin_bracket) {
    const bool strips = source_[begin_bracket] == '-';
    const int first_line = line_;
    Advance(begin_bracket + (source_[begin_bracket] == '%' ? 2 : 3) - position_);
    if (strips) SkipSpace();
    at_line_start_ = source_[position_ - 1] == '\n';
    for (size_t tag = source_.find("{%", position_); tag != std::string::npos;
         tag = source_.find("{%", tag + 2)) {
      size_t name = tag + 2;
      if (name < source_.size() && (source_[name] == '-' || source_[name] == '+')) ++name;
      const size_t end_bracket = MatchRawTag(name, "endraw");
      if (end_bracket == 0) continue;
      EmitText(tag, false);
      const char sign = source_[end_bracket];
      Advance(end_bracket + (sign == '%' ? 2 : 3) - position_);
      CloseTag(sign, true);
      return absl::OkStatus();
    }
    return SyntaxError(first_line, "{% raw %} without {% endraw %}");
  }

  // The tokens of a tag up to its closing bracket.
  absl::Status LexTag(std::string_view close) {
    const int first_line = line_;
    std::string open_brackets;
    while (true) {
      SkipSpace();
      if (position_ >= source_.size()) {
        return SyntaxError(first_line, fmt::format("a tag without its end {}", close));
      }
      if (open_brackets.empty()) {
        const char sign = source_[position_] == '-' || (source_[position_] == '+' && close == "%}")
                              ? source_[position_]
                              : '\0';
        if (At(position_ + (sign != '\0'), close)) {
          Emit(close == "%}" ? Kind::kBlockEnd : Kind::kOutputEnd, "");
          Advance(close.size() + (sign != '\0'));
          CloseTag(sign, close == "%}");
          return absl::OkStatus();
        }
      }
      SY_RETURN_IF_ERROR(LexToken(open_brackets));
    }
  }

  absl::Status LexToken(std::string& open_brackets) {
    const char c = source_[position_];
    if (c == '"' || c == '\'') return LexString(c);
    if (IsDigit(c)) return LexNumber();
    if (IsNameStart(c)) {
      size_t end = position_;
      while (end < source_.size() && (IsNameStart(source_[end]) || IsDigit(source_[end]))) ++end;
      Emit(Kind::kName, source_.substr(position_, end - position_));
      Advance(end - position_);
      return absl::OkStatus();
    }
    static constexpr std::array<std::string_view, 25> kOperators = {
        "**", "//", "==", "!=", ">=", "<=", "+", "-", "*", "/", "%", "~", ">",
        "<",  "=",  ".",  ":",  "|",  ",",  ";", "(", ")", "[", "]", "{"};
    if (c == '}' || c == ')' || c == ']') {
      const char open = c == '}' ? '{' : c == ')' ? '(' : '[';
      if (open_brackets.empty() || open_brackets.back() != open) {
        return Error(fmt::format("a '{}' that closes nothing", c));
      }
      open_brackets.pop_back();
      Emit(Kind::kOperator, std::string(1, c));
      Advance(1);
      return absl::OkStatus();
    }
    for (std::string_view spelling : kOperators) {
      if (!At(spelling)) continue;
      if (c == '(' || c == '[' || c == '{') open_brackets += c;
      Emit(Kind::kOperator, std::string(spelling));
      Advance(spelling.size());
      return absl::OkStatus();
    }
    return Error(fmt::format("a character '{}' that has no meaning here", c));
  }

  absl::Status LexNumber() {
    size_t end = position_;
    const bool has_base = source_[end] == '0' && end + 1 < source_.size() &&
                          std::string_view("xXoObB").find(source_[end + 1]) != std::string::npos;
    int base = 10;
    if (has_base) {
      const char letter = char(source_[end + 1] | 0x20);
      base = letter == 'x' ? 16 : letter == 'o' ? 8 : 2;
      end += 2;
    }
    std::string digits;
    bool is_float = false;
    for (; end < source_.size(); ++end) {
      const char c = source_[end];
      const bool next_is_digit = end + 1 < source_.size() && IsDigit(source_[end + 1]);
      const bool is_hex_letter = base == 16 && ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
      if (c == '_') continue;
      if (!IsDigit(c) && !is_hex_letter) {
        const bool is_point = c == '.' && next_is_digit && !is_float && base == 10;
        const bool signed_exponent = end + 2 < source_.size() && IsDigit(source_[end + 2]) &&
                                     (source_[end + 1] == '-' || source_[end + 1] == '+');
        const bool is_exponent = (c | 0x20) == 'e' && base == 10 &&
                                 (next_is_digit || signed_exponent) &&
                                 digits.find('e') == std::string::npos;
        if (!is_point && !is_exponent) break;
        is_float = true;
        digits += is_point ? '.' : 'e';
        if (is_exponent && signed_exponent) digits += source_[++end] == '-' ? "-" : "";
        continue;
      }
      digits += c;
    }
    Emit(is_float ? Kind::kFloat : Kind::kInteger, source_.substr(position_, end - position_));
    Token& token = tokens_.back();
    const char* const last = digits.data() + digits.size();
    const auto result = is_float ? std::from_chars(digits.data(), last, token.real)
                                 : std::from_chars(digits.data(), last, token.integer, base);
    if (result.ec != std::errc() || result.ptr != last) {
      return Error(fmt::format("the number {} cannot be represented", token.text));
    }
    Advance(end - position_);
    return absl::OkStatus();
  }

  absl::Status LexString(char quote) {
    const int first_line = line_;
    std::string value;
    size_t at = position_ + 1;
    while (at < source_.size() && source_[at] != quote) {
      if (source_[at] != '\\') {
        value += source_[at++];
      } else {
        SY_RETURN_IF_ERROR(LexEscape(at, value));
      }
    }
    if (at >= source_.size()) return SyntaxError(first_line, "a string without its end");
    Emit(Kind::kString, std::move(value));
    Advance(at + 1 - position_);
    return absl::OkStatus();
  }

  // Reads one of Python's escapes at `at` and moves past it; a backslash before any other character
  // is itself.
  absl::Status LexEscape(size_t& at, std::string& value) const {
    static constexpr std::string_view kLetters = "\\'\"abfnrtv";
    static constexpr std::string_view kValues = "\\'\"\a\b\f\n\r\t\v";
    const char letter = at + 1 < source_.size() ? source_[at + 1] : '\0';
    if (letter == '\n') {
      at += 2;
      return absl::OkStatus();
    }
    if (const size_t which = kLetters.find(letter); letter != '\0' && which != std::string::npos) {
      value += kValues[which];
      at += 2;
      return absl::OkStatus();
    }
    const bool is_octal = letter >= '0' && letter <= '7';
    const size_t num_digits_max = letter == 'x'   ? 2
                                  : letter == 'u' ? 4
                                  : letter == 'U' ? 8
                                  : is_octal      ? 3
                                                  : 0;
    if (num_digits_max == 0) {
      value += '\\';
      ++at;
      return absl::OkStatus();
    }
    const char* const begin = source_.data() + at + (is_octal ? 1 : 2);
    const char* const end = std::min(begin + num_digits_max, source_.data() + source_.size());
    uint32_t codepoint = 0;
    const auto result = std::from_chars(begin, end, codepoint, is_octal ? 8 : 16);
    const bool is_whole = is_octal || result.ptr == begin + num_digits_max;
    if (result.ec != std::errc() || !is_whole || codepoint > 0x10ffff ||
        (codepoint >= 0xd800 && codepoint < 0xe000)) {
      return Error("a string escape that is no character");
    }
    AppendUtf8(codepoint, value);
    at = size_t(result.ptr - source_.data());
    return absl::OkStatus();
  }

  const std::string source_;
  size_t position_ = 0;
  int line_ = 1;
  bool at_line_start_ = true;  // the last thing read ended a line
  std::vector<Token> tokens_;
};

}  // namespace

absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source) {
  return Lexer(NormalizeNewlines(source)).Run();
}

absl::Status SyntaxError(int line, std::string_view message) {
  return absl::InvalidArgumentError(fmt::format("chat template, line {}: {}", line, message));
}

}  // namespace switchyard::text::jinja
