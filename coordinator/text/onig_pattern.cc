#include "coordinator/text/onig_pattern.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <iterator>

namespace switchyard::text {
namespace {

// Unicode White_Space, as the inside of a class, and its complement.
constexpr std::string_view kSpace =
    R"(\t-\r\x{20}\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}\x{202f}\x{205f}\x{3000})";
constexpr std::string_view kNotSpace =
    R"(\x{0}-\x{8}\x{e}-\x{1f}\x{21}-\x{84}\x{86}-\x{9f}\x{a1}-\x{167f}\x{1681}-\x{1fff})"
    R"(\x{200b}-\x{2027}\x{202a}-\x{202e}\x{2030}-\x{205e}\x{2060}-\x{2fff}\x{3001}-\x{10ffff})";
// Alphabetic, Mark, Decimal_Number, Connector_Punctuation: the ranges are the alphabetic symbols
// that are no letters.
constexpr std::string_view kWord =
    R"(\p{L}\p{M}\p{Nd}\p{Nl}\p{Pc})"
    R"(\x{24b6}-\x{24e9}\x{1f130}-\x{1f149}\x{1f150}-\x{1f169}\x{1f170}-\x{1f189})";
constexpr std::string_view kHexDigit = "0-9A-Fa-f";
// Names that to PCRE2 are of characters that are used with a script, to Oniguruma of those that are
// of it alone.
constexpr std::string_view kScripts[] = {"Arabic",   "Armenian", "Bengali", "Bopomofo", "Cyrillic",
                                         "Georgian", "Greek",    "Han",     "Hangul",   "Hebrew",
                                         "Hiragana", "Katakana", "Latin",   "Thai"};

class Translator {
 public:
  explicit Translator(std::string_view pattern) : in_(pattern) {}

  absl::StatusOr<std::string> Run() {
    while (at_ < in_.size()) SY_RETURN_IF_ERROR(Step());
    return std::move(out_);
  }

 private:
  absl::Status Step() {
    const char c = in_[at_];
    if (c == '\\') return Escape(/*in_class=*/false);
    if (c == '[') return Class();
    if (c == '(') return Group();
    if (c == '{') return Interval();
    out_ += c;
    ++at_;
    return absl::OkStatus();
  }

  absl::Status Escape(bool in_class) {
    const char c = Peek(1);
    const auto open = [&](std::string_view bracket) { return in_class ? "" : bracket; };
    const auto set = [&](std::string_view first, std::string_view inside) {
      out_.append(open(first)).append(inside).append(open("]"));
      at_ += 2;
      return absl::OkStatus();
    };
    switch (c) {
      case 's':
        return set("[", kSpace);
      case 'S':
        return set("[", kNotSpace);
      case 'w':
        return set("[", kWord);
      case 'h':
        return set("[", kHexDigit);
      case 'v':
        return set("[", "\\x0b");
      case 'W':
      case 'H':
        if (in_class) break;
        return set("[^", c == 'W' ? kWord : kHexDigit);
      case 'u':
        return CodeUnit();
      case 'x':
        if (Peek(2) == '{') return CopyBraced();
        if (IsHex(Peek(2)) && IsHex(Peek(3))) return Copy(4);
        break;
      case 'p':
      case 'P':
        if (Peek(2) == '{') return CopyBraced();
        break;
      case 'd':
      case 'D':
      case 'n':
      case 'r':
      case 't':
      case 'f':
      case 'a':
      case 'e':
        return Copy(2);
      case 'A':
      case 'z':
        if (in_class) break;
        return Copy(2);
      default:
        // A byte over 0x7f begins a character that stands for itself.
        if (c != '\0' && !std::isalnum(static_cast<unsigned char>(c))) return Copy(2);
    }
    return Unsupported(c == '\0' ? "a trailing backslash" : "the escape", 2);
  }

  // \p{...} or \x{...}
  absl::Status CopyBraced() {
    const size_t close = in_.find('}', at_);
    if (close == in_.npos) return absl::InvalidArgumentError("a brace is not closed");
    const std::string_view name = in_.substr(at_ + 3, close - at_ - 3);
    if (std::ranges::find(kScripts, name) == std::end(kScripts)) return Copy(close + 1 - at_);
    out_.append(in_.substr(at_, 3)).append("sc:").append(name).append("}");
    at_ = close + 1;
    return absl::OkStatus();
  }

  // {n}, {n,} or {n,m}; a brace that begins none of them is a brace in both dialects.
  absl::Status Interval() {
    size_t length = 1;
    while (std::isdigit(static_cast<unsigned char>(Peek(length))) || Peek(length) == ',') ++length;
    if (length == 1 || Peek(length) != '}') return Copy(1);
    if (Peek(1) == ',') return Unsupported("the interval", length + 1);
    if (Peek(length + 1) == '+') return Unsupported("a quantifier after the interval", length + 2);
    return Copy(length + 1);
  }

  // \uHHHH
  absl::Status CodeUnit() {
    for (size_t i = 2; i < 6; ++i) {
      if (!IsHex(Peek(i))) return Unsupported("the escape", 2);
    }
    out_.append("\\x{").append(in_.substr(at_ + 2, 4)).append("}");
    at_ += 6;
    return absl::OkStatus();
  }

  absl::Status Class() {
    out_ += in_[at_++];
    if (Peek(0) == '^') out_ += in_[at_++];
    if (Peek(0) == ']') return Unsupported("a class that begins with ]", 1);
    while (at_ < in_.size() && in_[at_] != ']') {
      const char c = in_[at_];
      if (c == '[') return Unsupported("a class within a class", 1);
      if (c == '&' && Peek(1) == '&') return Unsupported("a class intersection", 2);
      if (c == '\\') {
        SY_RETURN_IF_ERROR(Escape(/*in_class=*/true));
      } else {
        out_ += c;
        ++at_;
      }
    }
    if (at_ == in_.size()) return absl::InvalidArgumentError("a character class is not closed");
    return Copy(1);
  }

  absl::Status Group() {
    if (Peek(1) == '*') return Unsupported("a callout", 2);
    if (Peek(1) != '?') return Copy(1);
    const char kind = Peek(2);
    if (kind == ':' || kind == '=' || kind == '!' || kind == '>') return Copy(3);
    if (kind == '<' && (Peek(3) == '=' || Peek(3) == '!')) return Copy(4);
    std::string flags = "(?";
    for (at_ += 2; Peek(0) == 'i' || Peek(0) == 'm' || Peek(0) == '-'; ++at_) {
      flags += Peek(0) == 'm' ? 's' : Peek(0);
    }
    if (Peek(0) != ':' && Peek(0) != ')') return Unsupported("the group kind", 1);
    out_.append(flags).append(1, in_[at_++]);
    return absl::OkStatus();
  }

  absl::Status Copy(size_t num_bytes) {
    out_.append(in_.substr(at_, num_bytes));
    at_ += num_bytes;
    return absl::OkStatus();
  }

  absl::Status Unsupported(std::string_view what, size_t num_bytes) const {
    return absl::UnimplementedError(
        fmt::format("{} \"{}\" at byte {} of the regular expression is not supported", what,
                    in_.substr(at_, num_bytes), at_));
  }

  static bool IsHex(char c) { return std::isxdigit(static_cast<unsigned char>(c)); }
  char Peek(size_t ahead) const { return at_ + ahead < in_.size() ? in_[at_ + ahead] : '\0'; }

  const std::string_view in_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

absl::StatusOr<std::string> TranslateOnigPattern(std::string_view pattern) {
  SY_ASSIGN_OR_RETURN(const std::string translated, Translator(pattern).Run());
  // DeepSeek-LLM and -V2 search for `\s+$`. Each space of a run that no line border ends would be
  // tried in vain, in quadratic time; but where the run's first space fails, the others do. So a
  // match starts a search (\G) or a run.
  if (pattern == "\\s+$") return fmt::format("(?:\\G|(?<![{}])){}", kSpace, translated);
  return translated;
}

}  // namespace switchyard::text
