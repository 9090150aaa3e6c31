#include "coordinator/text/grammar/expr.h"

#include <algorithm>
#include <optional>
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

// How many characters each of its texts has; none if they differ.
std::optional<uint64_t> LengthOf(const Expr& expr) {
  std::optional<uint64_t> length = expr.kind == Kind::kCharacters ? 1 : 0;
  for (size_t i = 0; i < expr.parts.size(); ++i) {
    const std::optional<uint64_t> part = LengthOf(*expr.parts[i]);
    if (!part.has_value() || (expr.kind == Kind::kChoice && i > 0 && part != length)) {
      return std::nullopt;
    }
    length = expr.kind == Kind::kSequence ? *length + *part : *part;
  }
  if (expr.kind != Kind::kRepeat || length == 0u) return length;
  if (expr.min != expr.max) return std::nullopt;
  return std::min<uint64_t>(*length * expr.min, kNoLimit);
}

// The parts of a sequence, and of those within it.
void Flatten(const ExprPtr& expr, std::vector<ExprPtr>& parts) {
  if (expr->kind != Kind::kSequence) return parts.push_back(expr);
  for (const ExprPtr& part : expr->parts) Flatten(part, parts);
}

// A repeat that is so many states that to count is better.
bool IsLong(const Expr& repeat) {
  constexpr uint32_t kMaxCopies = 16;
  const uint32_t num_copies = repeat.max == kNoLimit ? repeat.min : repeat.max;
  return repeat.parts[0]->kind == Kind::kCharacters && num_copies > kMaxCopies;
}

uint32_t AddRepeat(const Expr& expr, Encoding encoding, uint32_t from, Nfa& nfa,
                   const RuleOfCharacters& counted) {
  const Expr& part = *expr.parts[0];
  if (counted != nullptr && IsLong(expr)) {
    return nfa.AddCall(from, {.rule = counted(part.characters), .min = expr.min, .max = expr.max});
  }
  uint32_t at = from;
  for (uint32_t i = 0; i < expr.min && !nfa.budget().is_spent(); ++i) {
    at = AddExpr(part, encoding, at, nfa, counted);
  }
  if (expr.max == kNoLimit) {
    const uint32_t loop = nfa.AddState();
    nfa.AddJump(at, loop);
    nfa.AddJump(AddExpr(part, encoding, loop, nfa, counted), loop);
    return loop;
  }
  const uint32_t end = nfa.AddState();
  nfa.AddJump(at, end);
  for (uint32_t i = expr.min; i < expr.max && !nfa.budget().is_spent(); ++i) {
    at = AddExpr(part, encoding, at, nfa, counted);
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

ExprPtr WithLength(const ExprPtr& expr, uint32_t min, uint32_t max) {
  std::vector<ExprPtr> parts;
  Flatten(expr, parts);
  const auto is_free = [](const ExprPtr& part) {
    return part->kind == Kind::kRepeat && part->parts[0]->kind == Kind::kCharacters &&
           part->min != part->max;
  };
  const auto free = std::find_if(parts.begin(), parts.end(), is_free);
  uint64_t others = 0;
  for (auto part = parts.begin(); part != parts.end(); ++part) {
    if (part == free) continue;
    const std::optional<uint64_t> length = LengthOf(**part);
    if (!length.has_value()) return nullptr;
    others = std::min<uint64_t>(others + *length, kNoLimit);
  }
  const ExprPtr none = MakeCharacters({});
  const auto less = [&](uint32_t count) {
    return static_cast<uint32_t>(count > others ? count - others : 0);
  };
  if (max != kNoLimit && others > max) return none;
  if (free == parts.end()) return others >= min ? expr : none;
  const uint32_t least = std::max((*free)->min, less(min));
  const uint32_t most = max == kNoLimit ? (*free)->max : std::min((*free)->max, less(max));
  if (least > most) return none;
  *free = MakeRepeat((*free)->parts[0], least, most);
  return MakeSequence(std::move(parts));
}

uint32_t AddExpr(const Expr& expr, Encoding encoding, uint32_t from, Nfa& nfa,
                 const RuleOfCharacters& counted) {
  nfa.budget().Spend(1);
  switch (expr.kind) {
    case Kind::kCharacters:
      return AddCodePoints(expr.characters, encoding, from, nfa);
    case Kind::kSequence:
      for (const ExprPtr& part : expr.parts) {
        if (nfa.budget().is_spent()) break;
        from = AddExpr(*part, encoding, from, nfa, counted);
      }
      return from;
    case Kind::kChoice: {
      const uint32_t end = nfa.AddState();
      for (const ExprPtr& part : expr.parts) {
        if (nfa.budget().is_spent()) break;
        const uint32_t begin = nfa.AddState();  // a part may loop back to where it begins
        nfa.AddJump(from, begin);
        nfa.AddJump(AddExpr(*part, encoding, begin, nfa, counted), end);
      }
      return end;
    }
    case Kind::kRepeat:
      return AddRepeat(expr, encoding, from, nfa, counted);
    case Kind::kRule:
      return nfa.AddCall(from, {.rule = expr.rule});
    case Kind::kBegin:
    case Kind::kEnd:
      break;
  }
  return from;
}

}  // namespace switchyard::text::grammar
