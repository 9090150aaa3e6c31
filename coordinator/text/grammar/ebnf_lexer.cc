#include "coordinator/text/grammar/ebnf_lexer.h"

#include <algorithm>
#include <cctype>
#include <optional>

#include "coordinator/text/utf8.h"

namespace switchyard::text::grammar {
namespace {

using Kind = EbnfToken::Kind;

bool IsNameByte(char c, EbnfDialect dialect) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' ||
         (c == '-' && dialect == EbnfDialect::kGbnf);
}

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

class Lexer {
 public:
  Lexer(std::string_view source, EbnfDialect dialect) : source_(source), dialect_(dialect) {}

  absl::StatusOr<std::vector<EbnfToken>> Read() {
    if (!IsValidUtf8(source_)) return absl::InvalidArgumentError("the grammar is not UTF-8");
    while (at_ < source_.size()) {
      SY_RETURN_IF_ERROR(ReadOne());
    }
    Add(Kind::kEndLine, "");
    Add(Kind::kEnd, "");
    return std::move(tokens_);
  }

 private:
  absl::Status Error(std::string_view what) const {
    return absl::InvalidArgumentError(fmt::format("grammar, line {}: {}", line_, what));
  }

  void Add(Kind kind, std::string text) {
    tokens_.push_back({.kind = kind, .text = std::move(text), .line = line_});
  }

  bool IsAt(std::string_view text) const { return source_.substr(at_).starts_with(text); }
  bool is_lark() const { return dialect_ == EbnfDialect::kLark; }

  void SkipComment() { at_ = std::min(source_.find('\n', at_), source_.size()); }

  absl::Status ReadOne() {
    const char c = source_[at_];
    if (c == '\n') {
      Add(Kind::kEndLine, "");
      ++line_;
      ++at_;
      return absl::OkStatus();
    }
    if (c == ' ' || c == '\t' || c == '\r') {
      ++at_;
      return absl::OkStatus();
    }
    if (IsAt(is_lark() ? "//" : "#")) {
      SkipComment();
      return absl::OkStatus();
    }
    if (c == '"') return ReadString();
    if (c == '/' && is_lark()) return ReadRegex();
    if (c == '[' && !is_lark()) return ReadSet();
    if (IsDigit(c)) return ReadWhile(Kind::kNumber, [](char d) { return IsDigit(d); });
    if (IsNameByte(c, dialect_) || c == '%') {
      return ReadWhile(Kind::kName, [this](char n) { return IsNameByte(n, dialect_) || n == '%'; });
    }
    return ReadMark();
  }

  template <typename Belongs>
  absl::Status ReadWhile(Kind kind, Belongs belongs) {
    const size_t begin = at_;
    while (at_ < source_.size() && belongs(source_[at_])) ++at_;
    Add(kind, std::string(source_.substr(begin, at_ - begin)));
    return absl::OkStatus();
  }

  absl::Status ReadMark() {
    for (const std::string_view mark : {"::=", "..", "->"}) {
      if (!IsAt(mark)) continue;
      at_ += mark.size();
      Add(Kind::kMark, std::string(mark));
      return absl::OkStatus();
    }
    constexpr std::string_view kMarks = "|()[]{}*+?,.:~!";
    if (kMarks.find(source_[at_]) == kMarks.npos) {
      return Error(fmt::format("'{}' means nothing here", source_.substr(at_, 1)));
    }
    Add(Kind::kMark, std::string(1, source_[at_++]));
    return absl::OkStatus();
  }

  absl::Status ReadString() {
    std::string text;
    for (++at_; !IsAt("\"");) {
      if (at_ >= source_.size() || source_[at_] == '\n') return Error("a string has no end");
      if (source_[at_] != '\\') {
        text += source_[at_++];
        continue;
      }
      SY_RETURN_IF_ERROR(ReadEscape(text));
    }
    ++at_;
    Add(Kind::kString, std::move(text));
    ReadFlags();
    return absl::OkStatus();
  }

  absl::Status ReadEscape(std::string& text) {
    if (++at_ >= source_.size()) return Error("a string has no end");
    const char c = source_[at_++];
    constexpr std::string_view kShort = "n\nr\rt\tf\fb\bv\v\\\\\"\"''//[[]]";  // written, meant
    for (size_t i = 0; i < kShort.size(); i += 2) {
      if (kShort[i] != c) continue;
      text += kShort[i + 1];
      return absl::OkStatus();
    }
    const int num_digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    if (num_digits == 0) return Error(fmt::format("a string has the escape \\{}", c));
    uint32_t value = 0;
    for (int i = 0; i < num_digits; ++i, ++at_) {
      const bool is_hex =
          at_ < source_.size() && std::isxdigit(static_cast<unsigned char>(source_[at_])) != 0;
      if (!is_hex) return Error("an escape needs hexadecimal digits");
      const char digit = static_cast<char>(std::tolower(static_cast<unsigned char>(source_[at_])));
      value = value * 16 + static_cast<uint32_t>(digit <= '9' ? digit - '0' : digit - 'a' + 10);
    }
    if (value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
      return Error("an escape names no character");
    }
    AppendUtf8(value, text);
    return absl::OkStatus();
  }

  // To the delimiter that is not escaped and, for a regex, not in a set.
  absl::Status ReadRegex() {
    std::string pattern;
    bool in_set = false;
    for (++at_; in_set || !IsAt("/"); ++at_) {
      if (at_ >= source_.size() || source_[at_] == '\n') return Error("a regex has no end");
      if (source_[at_] == '[') in_set = true;
      if (source_[at_] == ']') in_set = false;
      if (source_[at_] == '\\' && at_ + 1 < source_.size()) pattern += source_[at_++];
      pattern += source_[at_];
    }
    ++at_;
    Add(Kind::kRegex, std::move(pattern));
    ReadFlags();
    return absl::OkStatus();
  }

  absl::Status ReadSet() {
    std::string set;
    for (; !IsAt("]"); ++at_) {
      if (at_ >= source_.size() || source_[at_] == '\n') return Error("a [ without a ]");
      if (source_[at_] == '\\' && at_ + 1 < source_.size()) set += source_[at_++];
      set += source_[at_];
    }
    ++at_;
    Add(Kind::kRegex, set + "]");
    return absl::OkStatus();
  }

  void ReadFlags() {
    if (!is_lark()) return;
    for (; IsAt("i") || IsAt("s"); ++at_) {
      (source_[at_] == 'i' ? tokens_.back().any_case : tokens_.back().dot_takes_newline) = true;
    }
  }

  std::string_view source_;
  EbnfDialect dialect_;
  size_t at_ = 0;
  int line_ = 1;
  std::vector<EbnfToken> tokens_;
};

}  // namespace

EbnfDialect FindDialect(std::string_view source) {
  // The first rule is the first line that is neither empty nor a comment of one of the dialects.
  while (!source.empty()) {
    const size_t end = std::min(source.find('\n'), source.size());
    std::string_view line = source.substr(0, end);
    source.remove_prefix(std::min(end + 1, source.size()));
    line.remove_prefix(std::min(line.find_first_not_of(" \t\r"), line.size()));
    const bool is_comment = line.starts_with('#') || line.starts_with("//");
    if (line.empty() || is_comment) continue;
    const auto is_name = [](char c) { return IsNameByte(c, EbnfDialect::kGbnf); };
    const auto name_end = std::find_if_not(line.begin(), line.end(), is_name);
    line.remove_prefix(static_cast<size_t>(name_end - line.begin()));
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    return line.starts_with("::=") ? EbnfDialect::kGbnf : EbnfDialect::kLark;
  }
  return EbnfDialect::kLark;
}

absl::StatusOr<std::vector<EbnfToken>> ReadEbnfTokens(std::string_view source,
                                                      EbnfDialect dialect) {
  return Lexer(source, dialect).Read();
}

}  // namespace switchyard::text::grammar
