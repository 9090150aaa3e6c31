#include "coordinator/text/grammar/expr.h"

#include <algorithm>
#include <utility>

#include "coordinator/text/utf8.h"

namespace switchyard::text::grammar {
namespace {

using Kind = Expr::Kind;

ExprPtr Make(Expr expr) { return std::make_shared<const Expr>(std::move(expr)); }

bool HasAnchor(const Expr& expr) {
  return expr.kind == Kind::kBegin || expr.kind == Kind::kEnd ||
         std::any_of(expr.parts.begin(), expr.parts.end(),
                     [](const ExprPtr& part) { return HasAnchor(*part); });
}

// Takes anchors of one kind from one end of an expression.
class AnchorExpansion {
 public:
  // `outside` stands where no anchor does; null: nothing.
  AnchorExpansion(Kind anchor, ExprPtr outside) : anchor_(anchor), outside_(std::move(outside)) {}

  // The expression with its end, and what is outside of it.
  ExprPtr Expand(const ExprPtr& expr) const {
    if (expr->kind == anchor_) return MakeSequence({});
    if (expr->kind == Kind::kChoice) {
      std::vector<ExprPtr> parts;
      for (const ExprPtr& part : expr->parts) parts.push_back(Expand(part));
      return MakeChoice(std::move(parts));
    }
    if (expr->kind == Kind::kSequence && !expr->parts.empty()) {
      std::vector<ExprPtr> parts = expr->parts;
      ExprPtr& end = anchor_ == Kind::kBegin ? parts.front() : parts.back();
      if (HasAnchor(*end)) {
        end = Expand(end);
        return MakeSequence(std::move(parts));
      }
    }
    return AddOutside(expr);
  }

 private:
  ExprPtr AddOutside(const ExprPtr& expr) const {
    if (outside_ == nullptr) return expr;
    return MakeSequence(anchor_ == Kind::kBegin ? std::vector<ExprPtr>{outside_, expr}
                                                : std::vector<ExprPtr>{expr, outside_});
  }

  Kind anchor_;
  ExprPtr outside_;
};

absl::StatusOr<ExprPtr> Expand(const ExprPtr& expr, const ExprPtr& outside) {
  const ExprPtr begun = AnchorExpansion(Kind::kBegin, outside).Expand(expr);
  ExprPtr whole = AnchorExpansion(Kind::kEnd, outside).Expand(begun);
  if (HasAnchor(*whole)) {
    return absl::InvalidArgumentError(
        "^ and $ are supported at the beginning and the end of an alternative only");
  }
  return whole;
}

uint32_t AddRepeat(const Expr& expr, Encoding encoding, uint32_t from, Nfa& nfa) {
  const Expr& part = *expr.parts[0];
  uint32_t at = from;
  for (uint32_t i = 0; i < expr.min && !nfa.budget().is_spent(); ++i) {
    at = AddExpr(part, encoding, at, nfa);
  }
  if (expr.max == kNoLimit) {
    const uint32_t loop = nfa.AddState();
    nfa.AddJump(at, loop);
    nfa.AddJump(AddExpr(part, encoding, loop, nfa), loop);
    return loop;
  }
  const uint32_t end = nfa.AddState();
  nfa.AddJump(at, end);
  for (uint32_t i = expr.min; i < expr.max && !nfa.budget().is_spent(); ++i) {
    at = AddExpr(part, encoding, at, nfa);
    nfa.AddJump(at, end);
  }
  return end;
}

}  // namespace

ExprPtr MakeCharacters(CodePoints characters) {
  return Make({.kind = Kind::kCharacters, .characters = std::move(characters)});
}
ExprPtr MakeSequence(std::vector<ExprPtr> parts) {
  if (parts.size() == 1) return parts[0];
  return Make({.kind = Kind::kSequence, .parts = std::move(parts)});
}
ExprPtr MakeChoice(std::vector<ExprPtr> parts) {
  if (parts.size() == 1) return parts[0];
  return Make({.kind = Kind::kChoice, .parts = std::move(parts)});
}
ExprPtr MakeRepeat(ExprPtr part, uint32_t min, uint32_t max) {
  return Make({.kind = Kind::kRepeat, .parts = {std::move(part)}, .min = min, .max = max});
}
ExprPtr MakeAnchor(Kind kind) { return Make({.kind = kind}); }
ExprPtr MakeRule(uint32_t rule) { return Make({.kind = Kind::kRule, .rule = rule}); }

ExprPtr MakeText(std::string_view text, bool any_case) {
  std::vector<ExprPtr> parts;
  while (!text.empty()) {
    const std::string_view character = text.substr(0, ReadUtf8Head(text).num_bytes);
    const uint32_t code_point = DecodeUtf8(character);
    CodePoints set = CodePoints::Of(code_point, code_point);
    if (any_case) set.AddOtherCase();
    parts.push_back(MakeCharacters(std::move(set)));
    text.remove_prefix(character.size());
  }
  return MakeSequence(std::move(parts));
}

absl::StatusOr<ExprPtr> ExpandSearch(const ExprPtr& expr) {
  return Expand(expr, MakeRepeat(MakeCharacters(CodePoints::All()), 0, kNoLimit));
}

absl::StatusOr<ExprPtr> ExpandFullMatch(const ExprPtr& expr) { return Expand(expr, nullptr); }

uint32_t AddExpr(const Expr& expr, Encoding encoding, uint32_t from, Nfa& nfa) {
  nfa.budget().Spend(1);
  switch (expr.kind) {
    case Kind::kCharacters:
      return AddCodePoints(expr.characters, encoding, from, nfa);
    case Kind::kSequence:
      for (const ExprPtr& part : expr.parts) {
        if (nfa.budget().is_spent()) break;
        from = AddExpr(*part, encoding, from, nfa);
      }
      return from;
    case Kind::kChoice: {
      const uint32_t end = nfa.AddState();
      for (const ExprPtr& part : expr.parts) {
        if (nfa.budget().is_spent()) break;
        const uint32_t begin = nfa.AddState();  // a part may loop back to where it begins
        nfa.AddJump(from, begin);
        nfa.AddJump(AddExpr(*part, encoding, begin, nfa), end);
      }
      return end;
    }
    case Kind::kRepeat:
      return AddRepeat(expr, encoding, from, nfa);
    case Kind::kRule:
      return nfa.AddCall(from, {.rule = expr.rule});
    case Kind::kBegin:
    case Kind::kEnd:
      break;
  }
  return from;
}

}  // namespace switchyard::text::grammar
