#include "coordinator/text/grammar/regex_parser.h"

#include <optional>
#include <string>
#include <utility>

#include "coordinator/text/utf8.h"

namespace switchyard::text::grammar {
namespace {

constexpr size_t kMaxPatternBytes = 32 << 10;
constexpr int kMaxDepth = 200;
constexpr uint32_t kMaxCount = 100'000'000;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

CodePoints Digits() { return CodePoints::Of('0', '9'); }

CodePoints WordCharacters() {
  CodePoints set = Digits();
  set.Add('A', 'Z');
  set.Add('a', 'z');
  set.Add('_', '_');
  return set;
}

// ECMA-262, WhiteSpace and LineTerminator.
CodePoints Spaces() {
  CodePoints set = CodePoints::Of(0x09, 0x0d);
  for (const uint32_t c : {0x20, 0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff}) {
    set.Add(c, c);
  }
  set.Add(0x2000, 0x200a);
  return set;
}

CodePoints LineEnds() {
  CodePoints set = CodePoints::Of('\n', '\n');
  set.Add('\r', '\r');
  set.Add(0x2028, 0x2029);
  return set;
}

class RegexParser {
 public:
  RegexParser(std::string_view pattern, Budget& budget, const RegexOptions& options)
      : pattern_(pattern), budget_(budget), options_(options) {}

  absl::StatusOr<ExprPtr> Parse() {
    if (pattern_.size() > kMaxPatternBytes) return Error("the pattern is too long");
    if (!IsValidUtf8(pattern_)) return absl::InvalidArgumentError("the regex is not UTF-8");
    SY_ASSIGN_OR_RETURN(ExprPtr expr, ParseChoice());
    if (at_ < pattern_.size()) return Error("a ) without a (");
    return expr;
  }

 private:
  absl::Status Error(std::string_view what) const {
    return absl::InvalidArgumentError(fmt::format("regex, byte {}: {}", at_, what));
  }

  bool IsAt(std::string_view text) const { return pattern_.substr(at_).starts_with(text); }
  bool Take(std::string_view text) {
    if (!IsAt(text)) return false;
    at_ += text.size();
    return true;
  }
  // REQUIRES: not at the end.
  uint32_t TakeCharacter() {
    const std::string_view rest = pattern_.substr(at_);
    const std::string_view character = rest.substr(0, ReadUtf8Head(rest).num_bytes);
    at_ += character.size();
    return DecodeUtf8(character);
  }

  absl::StatusOr<ExprPtr> ParseChoice() {
    if (++depth_ > kMaxDepth) return Error("groups are nested too deeply");
    std::vector<ExprPtr> alternatives;
    do {
      SY_ASSIGN_OR_RETURN(ExprPtr alternative, ParseSequence());
      alternatives.push_back(std::move(alternative));
    } while (Take("|"));
    --depth_;
    return MakeChoice(std::move(alternatives));
  }

  absl::StatusOr<ExprPtr> ParseSequence() {
    std::vector<ExprPtr> parts;
    while (at_ < pattern_.size() && !IsAt("|") && !IsAt(")")) {
      SY_ASSIGN_OR_RETURN(ExprPtr part, ParseAtom());
      SY_ASSIGN_OR_RETURN(part, ParseRepeats(std::move(part)));
      parts.push_back(std::move(part));
    }
    return MakeSequence(std::move(parts));
  }

  absl::StatusOr<ExprPtr> ParseAtom() {
    if (!budget_.Spend(2)) return budget_.Check();
    if (Take("(")) return ParseGroup();
    if (Take("[")) return ParseSet();
    if (Take("^")) return MakeAnchor(Expr::Kind::kBegin);
    if (Take("$")) return MakeAnchor(Expr::Kind::kEnd);
    if (Take(".")) {
      return MakeCharacters(options_.dot_takes_newline ? CodePoints::All()
                                                       : LineEnds().Complement());
    }
    if (IsAt("*") || IsAt("+") || IsAt("?") || IsAt("{")) return Error("nothing to repeat");
    if (Take("\\")) {
      SY_ASSIGN_OR_RETURN(const CodePoints set, ParseEscape(false));
      return MakeSet(set);
    }
    const uint32_t character = TakeCharacter();
    return MakeSet(CodePoints::Of(character, character));
  }

  ExprPtr MakeSet(CodePoints set) const {
    if (options_.any_case) set.AddOtherCase();
    return MakeCharacters(std::move(set));
  }

  absl::StatusOr<ExprPtr> ParseGroup() {
    if (Take("?")) {
      const bool is_named = Take("P<") || (IsAt("<") && !IsAt("<=") && !IsAt("<!") && Take("<"));
      if (is_named) {
        const size_t end = pattern_.find('>', at_);
        if (end == pattern_.npos) return Error("a group's name has no end");
        at_ = end + 1;
      } else if (!Take(":")) {
        return Error("look-around, flags and other (? groups are not supported");
      }
    }
    SY_ASSIGN_OR_RETURN(ExprPtr group, ParseChoice());
    if (!Take(")")) return Error("a ( without a )");
    return group;
  }

  absl::StatusOr<ExprPtr> ParseRepeats(ExprPtr part) {
    for (bool is_first = true;; is_first = false) {
      uint32_t min = 0;
      uint32_t max = kNoLimit;
      if (Take("+")) {
        min = 1;
      } else if (Take("?")) {
        max = 1;
      } else if (Take("{")) {
        SY_RETURN_IF_ERROR(ParseBounds(min, max));
      } else if (!Take("*")) {
        return part;
      }
      if (!is_first) return Error("a repetition of a repetition needs a group");
      if (part->kind == Expr::Kind::kBegin || part->kind == Expr::Kind::kEnd) {
        return Error("an anchor cannot be repeated");
      }
      Take("?");
      part = MakeRepeat(std::move(part), min, max);
    }
  }

  absl::Status ParseBounds(uint32_t& min, uint32_t& max) {
    SY_ASSIGN_OR_RETURN(min, ParseCount());
    max = min;
    if (Take(",")) {
      max = kNoLimit;
      if (!IsAt("}")) {
        SY_ASSIGN_OR_RETURN(max, ParseCount());
      }
    }
    if (!Take("}")) return Error("a repetition {n,m} has no }");
    if (min > max) return Error("a repetition counts down");
    return absl::OkStatus();
  }

  absl::StatusOr<uint32_t> ParseCount() {
    const size_t begin = at_;
    uint32_t count = 0;
    for (; at_ < pattern_.size() && IsDigit(pattern_[at_]); ++at_) {
      count = count * 10 + static_cast<uint32_t>(pattern_[at_] - '0');
      if (count > kMaxCount) return Error("a repetition counts too far");
    }
    if (at_ == begin) return Error("a repetition needs a number");
    return count;
  }

  absl::StatusOr<uint32_t> ParseHex(size_t min_digits, size_t max_digits) {
    uint32_t value = 0;
    size_t num_digits = 0;
    for (; num_digits < max_digits && at_ < pattern_.size(); ++num_digits, ++at_) {
      constexpr std::string_view kDigits = "0123456789abcdef0123456789ABCDEF";
      const size_t digit = kDigits.find(pattern_[at_]);
      if (digit == kDigits.npos) break;
      value = value * 16 + digit % 16;
    }
    if (num_digits < min_digits) return Error("an escape needs hexadecimal digits");
    if (value > CodePoints::kMax) return Error("an escape names no character");
    return value;
  }

  // What a \u says; two that are a surrogate pair say one character.
  absl::StatusOr<CodePoints> ParseUnicodeEscape() {
    if (Take("{")) {
      SY_ASSIGN_OR_RETURN(const uint32_t value, ParseHex(1, 6));
      if (!Take("}")) return Error("a \\u{ has no }");
      return CodePoints::Of(value, value);
    }
    SY_ASSIGN_OR_RETURN(const uint32_t value, ParseHex(4, 4));
    if (value < 0xd800 || value > 0xdfff) return CodePoints::Of(value, value);
    if (value >= 0xdc00 || !Take("\\u")) return Error("half of a surrogate pair");
    SY_ASSIGN_OR_RETURN(const uint32_t low, ParseHex(4, 4));
    if (low < 0xdc00 || low > 0xdfff) return Error("half of a surrogate pair");
    const uint32_t whole = 0x10000 + ((value - 0xd800) << 10) + (low - 0xdc00);
    return CodePoints::Of(whole, whole);
  }

  // After the backslash.
  absl::StatusOr<CodePoints> ParseEscape(bool in_set) {
    if (at_ == pattern_.size()) return Error("a \\ at the end");
    const size_t begin = at_;
    const uint32_t c = TakeCharacter();
    const auto one = [](uint32_t value) { return CodePoints::Of(value, value); };
    switch (c) {
      case 'd':
        return Digits();
      case 'D':
        return Digits().Complement();
      case 'w':
        return WordCharacters();
      case 'W':
        return WordCharacters().Complement();
      case 's':
        return Spaces();
      case 'S':
        return Spaces().Complement();
      case 'n':
        return one('\n');
      case 'r':
        return one('\r');
      case 't':
        return one('\t');
      case 'f':
        return one('\f');
      case 'v':
        return one('\v');
      case '0':
        if (at_ < pattern_.size() && IsDigit(pattern_[at_])) {  // some read octal digits
          at_ = begin;
          return Error("\\0 before a digit is not supported: say \\x00");
        }
        return one(0);
      case 'u':
        return ParseUnicodeEscape();
      case 'x': {
        SY_ASSIGN_OR_RETURN(const uint32_t value, ParseHex(2, 2));
        return one(value);
      }
      default:
        break;
    }
    if (c == 'b' && in_set) return one('\b');
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!is_letter && (c < '0' || c > '9')) return one(c);
    at_ = begin;
    return Error(fmt::format("\\{} is not supported", pattern_[begin]));
  }

  // After the bracket.
  absl::StatusOr<ExprPtr> ParseSet() {
    const bool is_negative = Take("^");
    std::vector<CodePoints::Range> ranges;
    for (bool is_first = true;; is_first = false) {
      if (at_ == pattern_.size()) return Error("a [ without a ]");
      if (!is_first && Take("]")) break;
      if (is_first && Take("]")) {  // [] has nothing, [^] everything, as in ECMAScript
        break;
      }
      SY_ASSIGN_OR_RETURN(CodePoints item, ParseSetItem());
      const bool is_range = IsAt("-") && !IsAt("-]") && at_ + 1 < pattern_.size();
      if (is_range) {
        Take("-");
        SY_ASSIGN_OR_RETURN(const CodePoints last, ParseSetItem());
        SY_ASSIGN_OR_RETURN(item, RangeOf(item, last));
      }
      if (!budget_.Spend(1 + item.ranges().size())) return budget_.Check();
      ranges.insert(ranges.end(), item.ranges().begin(), item.ranges().end());
    }
    CodePoints set = CodePoints::Of(std::move(ranges));
    if (options_.any_case) set.AddOtherCase();
    return MakeCharacters(is_negative ? set.Complement() : set);
  }

  // [:alpha:], [.hyphen.], [=e=]: classes to some, to ECMAScript a set of these characters.
  bool IsAtNamedClass() const {
    if (!IsAt("[:") && !IsAt("[.") && !IsAt("[=")) return false;
    const size_t end = pattern_.find(']', at_);
    return end != pattern_.npos && end > at_ + 2 && pattern_[end - 1] == pattern_[at_ + 1];
  }

  absl::StatusOr<CodePoints> ParseSetItem() {
    if (at_ == pattern_.size()) return Error("a [ without a ]");
    if (IsAtNamedClass()) return Error("a named class ([:alpha:] and the like) is not supported");
    if (Take("\\")) return ParseEscape(true);
    const uint32_t character = TakeCharacter();
    return CodePoints::Of(character, character);
  }

  absl::StatusOr<CodePoints> RangeOf(const CodePoints& first, const CodePoints& last) const {
    const auto is_one = [](const CodePoints& set) {
      return set.ranges().size() == 1 && set.ranges()[0].first == set.ranges()[0].last;
    };
    if (!is_one(first) || !is_one(last)) return Error("a range between classes");
    if (first.ranges()[0].first > last.ranges()[0].first) return Error("a range goes down");
    return CodePoints::Of(first.ranges()[0].first, last.ranges()[0].first);
  }

  std::string_view pattern_;
  Budget& budget_;
  RegexOptions options_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace

absl::StatusOr<ExprPtr> ParseRegex(std::string_view pattern, Budget& budget,
                                   const RegexOptions& options) {
  return RegexParser(pattern, budget, options).Parse();
}

}  // namespace switchyard::text::grammar
