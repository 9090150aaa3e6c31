#include "coordinator/text/grammar/ebnf_parser.h"

#include <algorithm>
#include <map>
#include <utility>

#include "coordinator/text/grammar/counted_body.h"
#include "coordinator/text/grammar/ebnf_lexer.h"
#include "coordinator/text/grammar/regex_parser.h"

namespace switchyard::text::grammar {
namespace {

using Kind = EbnfToken::Kind;

constexpr int kMaxDepth = 200;
constexpr size_t kMaxCountDigits = 8;

// Lark's common terminals, as regular expressions.
constexpr std::pair<std::string_view, std::string_view> kCommon[] = {
    {"DIGIT", "[0-9]"},
    {"INT", "[0-9]+"},
    {"SIGNED_INT", "[+-]?[0-9]+"},
    {"DECIMAL", "[0-9]+\\.[0-9]*|\\.[0-9]+"},
    {"FLOAT", "[0-9]+[eE][+-]?[0-9]+|([0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?"},
    {"NUMBER", "([0-9]+|[0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?"},
    {"SIGNED_NUMBER", "[+-]?([0-9]+|[0-9]+\\.[0-9]*|\\.[0-9]+)([eE][+-]?[0-9]+)?"},
    {"LETTER", "[A-Za-z]"},
    {"WORD", "[A-Za-z]+"},
    {"CNAME", "[A-Za-z_][A-Za-z0-9_]*"},
    {"ESCAPED_STRING", "\"([^\"\\\\\\n]|\\\\[^\\n])*\""},
    {"WS", "[ \\t\\f\\r\\n]+"},
    {"WS_INLINE", "[ \\t]+"},
    {"NEWLINE", "(\\r?\\n)+"},
};

class EbnfParser {
 public:
  EbnfParser(std::vector<EbnfToken> tokens, EbnfDialect dialect, RuleBook& book)
      : tokens_(std::move(tokens)), dialect_(dialect), book_(book) {}

  absl::StatusOr<uint32_t> Parse() {
    while (SkipLines(), !Is(Kind::kEnd)) {
      SY_RETURN_IF_ERROR(is_lark() && Peek().text.starts_with('%') ? ParseDirective()
                                                                   : ParseRule());
      SY_RETURN_IF_ERROR(book_.budget().Check());
    }
    const char* const first = is_lark() ? "start" : "root";
    for (const auto& [name, rule] : rules_) {
      if (!rule.is_defined) return ErrorAt(rule.line, fmt::format("there is no rule {}", name));
    }
    const auto root = rules_.find(first);
    if (root == rules_.end()) return ErrorAt(1, fmt::format("there is no rule {}", first));
    return root->second.number;
  }

 private:
  struct Rule {
    uint32_t number = 0;
    bool is_defined = false;
    int line = 0;  // where it was met first
  };

  static absl::Status ErrorAt(int line, std::string_view what) {
    return absl::InvalidArgumentError(fmt::format("grammar, line {}: {}", line, what));
  }
  absl::Status Error(std::string_view what) const { return ErrorAt(Peek().line, what); }

  bool is_lark() const { return dialect_ == EbnfDialect::kLark; }
  const EbnfToken& Peek(size_t ahead = 0) const {
    return tokens_[std::min(at_ + ahead, tokens_.size() - 1)];
  }
  bool Is(Kind kind) const { return Peek().kind == kind; }
  bool IsMark(std::string_view mark, size_t ahead = 0) const {
    return Peek(ahead).kind == Kind::kMark && Peek(ahead).text == mark;
  }
  bool TakeMark(std::string_view mark) {
    if (!IsMark(mark)) return false;
    ++at_;
    return true;
  }
  void SkipLines() {
    while (Is(Kind::kEndLine)) ++at_;
  }

  absl::StatusOr<uint32_t> RuleOf(const std::string& name) {
    const auto [at, is_new] = rules_.try_emplace(name);
    if (is_new) at->second = {.number = book_.AddRule("rule " + name), .line = Peek().line};
    SY_RETURN_IF_ERROR(book_.budget().Check());
    return at->second.number;
  }

  absl::Status Define(const std::string& name, const ExprPtr& expr) {
    SY_ASSIGN_OR_RETURN(const uint32_t number, RuleOf(name));
    Rule& rule = rules_[name];
    if (std::exchange(rule.is_defined, true)) return Error(fmt::format("rule {} again", name));
    SY_ASSIGN_OR_RETURN(Dfa body,
                        CountedBody(*WithoutLeftRecursion(expr, number), Encoding::kPlain, book_));
    return book_.SetBody(number, std::move(body));
  }

  // a: a x | b  is  a: b x*.
  static ExprPtr WithoutLeftRecursion(const ExprPtr& expr, uint32_t rule) {
    const auto begins = [rule](const ExprPtr& part) {
      return part->kind == Expr::Kind::kSequence && !part->parts.empty() &&
             part->parts[0]->kind == Expr::Kind::kRule && part->parts[0]->rule == rule;
    };
    if (expr->kind != Expr::Kind::kChoice) return expr;
    std::vector<ExprPtr> begun;
    std::vector<ExprPtr> others;
    for (const ExprPtr& part : expr->parts) {
      if (!begins(part)) {
        others.push_back(part);
        continue;
      }
      begun.push_back(MakeSequence({part->parts.begin() + 1, part->parts.end()}));
    }
    if (begun.empty() || others.empty()) return expr;
    return MakeSequence(
        {MakeChoice(std::move(others)), MakeRepeat(MakeChoice(std::move(begun)), 0, kNoLimit)});
  }

  absl::Status ParseDirective() {
    if (Peek().text != "%import") {
      return Error(fmt::format("{} is not supported", Peek().text));
    }
    ++at_;
    const bool is_common = Peek().text == "common" && IsMark(".", 1);
    const std::string name = Peek(2).text;
    for (const auto& [common, pattern] : kCommon) {
      if (!is_common || name != common) continue;
      at_ += 3;
      std::string alias = name;
      if (TakeMark("->")) alias = Peek().text, ++at_;
      SY_ASSIGN_OR_RETURN(const ExprPtr expr, ParseRegex(pattern, book_.budget()));
      return Define(alias, expr);
    }
    return Error("this %import is not supported");
  }

  absl::Status ParseRule() {
    if (is_lark()) {
      while (TakeMark("?") || TakeMark("!")) {
      }
    }
    if (!Is(Kind::kName)) return Error("a rule begins with its name");
    const std::string name = Peek().text;
    ++at_;
    if (is_lark() && TakeMark(".")) ++at_;  // its priority
    if (!TakeMark(is_lark() ? ":" : "::=")) {
      return Error(fmt::format("rule {} needs {}", name, is_lark() ? ":" : "::="));
    }
    SY_ASSIGN_OR_RETURN(const ExprPtr expr, ParseChoice());
    if (!Is(Kind::kEndLine)) return Error(fmt::format("'{}' is not expected", Peek().text));
    return Define(name, expr);
  }

  // A line ends a rule unless a group is open, or the next one goes on with |.
  bool AtEndOfSequence() {
    if (num_open_ > 0) SkipLines();
    if (Is(Kind::kEndLine)) {
      size_t ahead = 0;
      while (Peek(ahead).kind == Kind::kEndLine) ++ahead;
      if (IsMark("|", ahead)) SkipLines();
    }
    return Is(Kind::kEndLine) || Is(Kind::kEnd) || IsMark("|") || IsMark(")") || IsMark("]") ||
           IsMark("->");
  }

  absl::StatusOr<ExprPtr> ParseChoice() {
    if (++depth_ > kMaxDepth) return Error("groups are nested too deeply");
    std::vector<ExprPtr> alternatives;
    do {
      SkipLines();
      std::vector<ExprPtr> parts;
      while (!AtEndOfSequence()) {
        SY_ASSIGN_OR_RETURN(ExprPtr part, ParseItem());
        SY_ASSIGN_OR_RETURN(part, ParseRepeats(std::move(part)));
        parts.push_back(std::move(part));
      }
      if (is_lark() && TakeMark("->")) ++at_;  // a name for the tree
      alternatives.push_back(MakeWhole(std::move(parts)));
      AtEndOfSequence();
    } while (TakeMark("|"));
    --depth_;
    return MakeChoice(std::move(alternatives));
  }

  // A sequence even of one rule, so that what it begins with can be seen.
  static ExprPtr MakeWhole(std::vector<ExprPtr> parts) {
    if (parts.size() == 1 && parts[0]->kind == Expr::Kind::kRule) parts.push_back(MakeSequence({}));
    return MakeSequence(std::move(parts));
  }

  absl::StatusOr<ExprPtr> ParseItem() {
    const EbnfToken token = Peek();
    ++at_;
    switch (token.kind) {
      case Kind::kString:
        return ParseLiteral(token);
      case Kind::kRegex: {
        auto expr =
            ParseRegex(token.text, book_.budget(), {token.any_case, token.dot_takes_newline});
        if (expr.ok()) expr = ExpandFullMatch(*expr);
        if (!expr.ok()) return Annotate(expr.status(), fmt::format("grammar, line {}", token.line));
        return expr;
      }
      case Kind::kName: {
        SY_ASSIGN_OR_RETURN(const uint32_t rule, RuleOf(token.text));
        return MakeRule(rule);
      }
      default:
        break;
    }
    if (token.text == "(") return ParseGroup(")");
    if (token.text == "[") {
      SY_ASSIGN_OR_RETURN(ExprPtr group, ParseGroup("]"));
      return MakeRepeat(std::move(group), 0, 1);
    }
    if (token.text == "." && !is_lark()) return MakeCharacters(CodePoints::All());
    --at_;
    return Error(fmt::format("'{}' is not expected", token.text));
  }

  absl::StatusOr<ExprPtr> ParseLiteral(const EbnfToken& token) {
    if (!book_.budget().Spend(2 * token.text.size())) return book_.budget().Check();
    if (!is_lark() || !TakeMark("..")) return MakeText(token.text, token.any_case);
    const ExprPtr first = MakeText(token.text);
    const ExprPtr last = MakeText(Peek().text);
    if (!Is(Kind::kString) || first->kind != Expr::Kind::kCharacters ||
        last->kind != Expr::Kind::kCharacters) {
      return Error("a range is between two characters");
    }
    ++at_;
    const uint32_t begin = first->characters.ranges()[0].first;
    const uint32_t end = last->characters.ranges()[0].first;
    if (begin > end) return Error("a range goes down");
    return MakeCharacters(CodePoints::Of(begin, end));
  }

  absl::StatusOr<ExprPtr> ParseGroup(std::string_view end) {
    ++num_open_;
    SY_ASSIGN_OR_RETURN(ExprPtr group, ParseChoice());
    --num_open_;
    if (!TakeMark(end)) return Error(fmt::format("a group without its {}", end));
    return group;
  }

  absl::StatusOr<ExprPtr> ParseRepeats(ExprPtr part) {
    if (TakeMark("*")) {
      part = MakeRepeat(std::move(part), 0, kNoLimit);
    } else if (TakeMark("+")) {
      part = MakeRepeat(std::move(part), 1, kNoLimit);
    } else if (TakeMark("?")) {
      part = MakeRepeat(std::move(part), 0, 1);
    } else if (TakeMark(is_lark() ? "~" : "{")) {
      SY_ASSIGN_OR_RETURN(part, ParseCounts(std::move(part)));
    }
    for (const std::string_view mark : {"*", "+", "?", "{", "~"}) {
      if (IsMark(mark)) return Error("a repetition of a repetition needs a group");
    }
    return part;
  }

  absl::StatusOr<ExprPtr> ParseCounts(ExprPtr part) {
    SY_ASSIGN_OR_RETURN(const uint32_t min, ParseNumber());
    uint32_t max = min;
    if (TakeMark(is_lark() ? ".." : ",")) {
      max = kNoLimit;
      if (is_lark() || !IsMark("}")) {
        SY_ASSIGN_OR_RETURN(max, ParseNumber());
      }
    }
    if (!is_lark() && !TakeMark("}")) return Error("a repetition {n,m} has no }");
    if (min > max) return Error("a repetition counts down");
    return MakeRepeat(std::move(part), min, max);
  }

  absl::StatusOr<uint32_t> ParseNumber() {
    if (!Is(Kind::kNumber)) return Error("a repetition needs a number");
    if (Peek().text.size() > kMaxCountDigits) return Error("a repetition counts too far");
    return static_cast<uint32_t>(std::stoul(tokens_[at_++].text));
  }

  std::vector<EbnfToken> tokens_;
  EbnfDialect dialect_;
  RuleBook& book_;
  size_t at_ = 0;
  int depth_ = 0;
  int num_open_ = 0;
  std::map<std::string, Rule> rules_;
};

}  // namespace

absl::StatusOr<uint32_t> ReadEbnf(std::string_view source, RuleBook& book) {
  const EbnfDialect dialect = FindDialect(source);
  SY_ASSIGN_OR_RETURN(std::vector<EbnfToken> tokens, ReadEbnfTokens(source, dialect));
  if (!book.budget().Spend(tokens.size())) return book.budget().Check();
  return EbnfParser(std::move(tokens), dialect, book).Parse();
}

}  // namespace switchyard::text::grammar
