#include "coordinator/text/jinja_expr_parser.h"

#include <algorithm>
#include <optional>

#include "coordinator/text/jinja_builtins.h"

namespace switchyard::text::jinja {
namespace {

int HeightOf(const ExprPtr& expr) { return expr != nullptr ? expr->height : 0; }

template <typename... Rest>
int HeightOf(const ExprPtr& first, const Rest&... rest) {
  return std::max(HeightOf(first), HeightOf(rest...));
}

int HeightOf(const std::vector<ExprPtr>& exprs) {
  int height = 0;
  for (const ExprPtr& expr : exprs) height = std::max(height, HeightOf(expr));
  return height;
}

int HeightOf(const Arguments& arguments) {
  int height = HeightOf(arguments.positional);
  for (const auto& [name, value] : arguments.named) height = std::max(height, HeightOf(value));
  return height;
}

absl::Status TooDeep(int line) {
  return SyntaxError(line, fmt::format("nested deeper than {} levels", kMaxTreeHeight));
}

}  // namespace

template <typename Node>
absl::StatusOr<ExprPtr> ExprParser::Make(int line, int child_height, Node node) {
  if (child_height >= kMaxTreeHeight) return TooDeep(line);
  return std::make_unique<Expr>(
      Expr{.line = line, .height = child_height + 1, .node = std::move(node)});
}

absl::StatusOr<ExprPtr> ExprParser::ParseExpression() {
  NestingGuard guard(depth_);
  if (guard.too_deep()) return TooDeep(cursor_.line());
  return ParseConditional();
}

absl::StatusOr<ExprPtr> ExprParser::ParseWithoutConditional() {
  NestingGuard guard(depth_);
  if (guard.too_deep()) return TooDeep(cursor_.line());
  return ParseOr();
}

absl::StatusOr<ExprPtr> ExprParser::ParseTuple(bool with_conditional) {
  const int line = cursor_.line();
  ListExpr tuple{.items = {}, .is_tuple = true};
  bool has_comma = false;
  while (true) {
    // What may follow a tuple's last comma: the end of the tag, or a closing parenthesis.
    const auto kind = cursor_.current().kind;
    const bool at_end = kind == Token::Kind::kBlockEnd || kind == Token::Kind::kOutputEnd ||
                        cursor_.current().IsOperator(")") || cursor_.current().IsOperator("=");
    if (has_comma && at_end) break;
    SY_ASSIGN_OR_RETURN(ExprPtr item,
                        with_conditional ? ParseExpression() : ParseWithoutConditional());
    tuple.items.push_back(std::move(item));
    if (!cursor_.AcceptOperator(",")) break;
    has_comma = true;
  }
  if (!has_comma) return std::move(tuple.items[0]);
  const int height = HeightOf(tuple.items);
  return Make(line, height, std::move(tuple));
}

absl::StatusOr<ExprPtr> ExprParser::ParseConditional() {
  SY_ASSIGN_OR_RETURN(ExprPtr expr, ParseOr());
  while (cursor_.current().IsName("if")) {
    const int line = cursor_.Take().line;
    SY_ASSIGN_OR_RETURN(ExprPtr test, ParseOr());
    ExprPtr otherwise;
    if (cursor_.AcceptName("else")) {
      SY_ASSIGN_OR_RETURN(otherwise, ParseExpression());
    }
    const int height = HeightOf(test, expr, otherwise);
    SY_ASSIGN_OR_RETURN(expr, Make(line, height,
                                   ConditionalExpr{.test = std::move(test),
                                                   .then = std::move(expr),
                                                   .otherwise = std::move(otherwise)}));
  }
  return expr;
}

absl::StatusOr<ExprPtr> ExprParser::ParseOr() {
  SY_ASSIGN_OR_RETURN(ExprPtr left, ParseAnd());
  while (cursor_.current().IsName("or")) {
    const int line = cursor_.Take().line;
    SY_ASSIGN_OR_RETURN(ExprPtr right, ParseAnd());
    const int height = HeightOf(left, right);
    SY_ASSIGN_OR_RETURN(
        left, Make(line, height,
                   LogicExpr{.is_and = false, .left = std::move(left), .right = std::move(right)}));
  }
  return left;
}

absl::StatusOr<ExprPtr> ExprParser::ParseAnd() {
  SY_ASSIGN_OR_RETURN(ExprPtr left, ParseNot());
  while (cursor_.current().IsName("and")) {
    const int line = cursor_.Take().line;
    SY_ASSIGN_OR_RETURN(ExprPtr right, ParseNot());
    const int height = HeightOf(left, right);
    SY_ASSIGN_OR_RETURN(
        left, Make(line, height,
                   LogicExpr{.is_and = true, .left = std::move(left), .right = std::move(right)}));
  }
  return left;
}

absl::StatusOr<ExprPtr> ExprParser::ParseNot() {
  if (!cursor_.current().IsName("not")) return ParseCompare();
  NestingGuard guard(depth_);
  if (guard.too_deep()) return TooDeep(cursor_.line());
  const int line = cursor_.Take().line;
  SY_ASSIGN_OR_RETURN(ExprPtr operand, ParseNot());
  const int height = HeightOf(operand);
  return Make(line, height, UnaryExpr{.op = UnaryOp::kNot, .operand = std::move(operand)});
}

absl::StatusOr<ExprPtr> ExprParser::ParseCompare() {
  static constexpr std::pair<std::string_view, CompareOp> kOps[] = {
      {"==", CompareOp::kEqual},  {"!=", CompareOp::kNotEqual},
      {"<", CompareOp::kLess},    {"<=", CompareOp::kLessEqual},
      {">", CompareOp::kGreater}, {">=", CompareOp::kGreaterEqual}};
  const int line = cursor_.line();
  SY_ASSIGN_OR_RETURN(ExprPtr first, ParseSum());
  CompareExpr compare;
  int height = HeightOf(first);
  while (true) {
    std::optional<CompareOp> op;
    for (const auto& [spelling, candidate] : kOps) {
      if (cursor_.current().IsOperator(spelling)) op = candidate;
    }
    if (cursor_.current().IsName("in")) op = CompareOp::kIn;
    if (cursor_.current().IsName("not") && cursor_.next().IsName("in")) {
      op = CompareOp::kNotIn;
      cursor_.Take();
    }
    if (!op.has_value()) break;
    cursor_.Take();
    SY_ASSIGN_OR_RETURN(ExprPtr operand, ParseSum());
    height = std::max(height, HeightOf(operand));
    compare.rest.emplace_back(*op, std::move(operand));
  }
  if (compare.rest.empty()) return first;
  compare.first = std::move(first);
  return Make(line, height, std::move(compare));
}

absl::StatusOr<ExprPtr> ExprParser::ParseSum() {
  SY_ASSIGN_OR_RETURN(ExprPtr left, ParseConcat());
  while (cursor_.current().IsOperator("+") || cursor_.current().IsOperator("-")) {
    const Token& token = cursor_.Take();
    const BinaryOp op = token.text == "+" ? BinaryOp::kAdd : BinaryOp::kSubtract;
    SY_ASSIGN_OR_RETURN(ExprPtr right, ParseConcat());
    const int height = HeightOf(left, right);
    SY_ASSIGN_OR_RETURN(
        left, Make(token.line, height,
                   BinaryExpr{.op = op, .left = std::move(left), .right = std::move(right)}));
  }
  return left;
}

absl::StatusOr<ExprPtr> ExprParser::ParseConcat() {
  SY_ASSIGN_OR_RETURN(ExprPtr left, ParseProduct());
  while (cursor_.current().IsOperator("~")) {
    const int line = cursor_.Take().line;
    SY_ASSIGN_OR_RETURN(ExprPtr right, ParseProduct());
    const int height = HeightOf(left, right);
    SY_ASSIGN_OR_RETURN(
        left, Make(line, height, ConcatExpr{.left = std::move(left), .right = std::move(right)}));
  }
  return left;
}

absl::StatusOr<ExprPtr> ExprParser::ParseProduct() {
  static constexpr std::pair<std::string_view, BinaryOp> kOps[] = {{"*", BinaryOp::kMultiply},
                                                                   {"/", BinaryOp::kDivide},
                                                                   {"//", BinaryOp::kFloorDivide},
                                                                   {"%", BinaryOp::kModulo}};
  SY_ASSIGN_OR_RETURN(ExprPtr left, ParsePower());
  while (true) {
    std::optional<BinaryOp> op;
    for (const auto& [spelling, candidate] : kOps) {
      if (cursor_.current().IsOperator(spelling)) op = candidate;
    }
    if (!op.has_value()) return left;
    const int line = cursor_.Take().line;
    SY_ASSIGN_OR_RETURN(ExprPtr right, ParsePower());
    const int height = HeightOf(left, right);
    SY_ASSIGN_OR_RETURN(
        left, Make(line, height,
                   BinaryExpr{.op = *op, .left = std::move(left), .right = std::move(right)}));
  }
}

absl::StatusOr<ExprPtr> ExprParser::ParsePower() {
  SY_ASSIGN_OR_RETURN(ExprPtr left, ParseUnary(true));
  while (cursor_.current().IsOperator("**")) {  // to the left, unlike Python: so does Jinja
    const int line = cursor_.Take().line;
    SY_ASSIGN_OR_RETURN(ExprPtr right, ParseUnary(true));
    const int height = HeightOf(left, right);
    SY_ASSIGN_OR_RETURN(left, Make(line, height,
                                   BinaryExpr{.op = BinaryOp::kPower,
                                              .left = std::move(left),
                                              .right = std::move(right)}));
  }
  return left;
}

absl::StatusOr<ExprPtr> ExprParser::ParseUnary(bool with_filters) {
  NestingGuard guard(depth_);
  if (guard.too_deep()) return TooDeep(cursor_.line());
  ExprPtr expr;
  if (cursor_.current().IsOperator("-") || cursor_.current().IsOperator("+")) {
    const Token& sign = cursor_.Take();
    SY_ASSIGN_OR_RETURN(ExprPtr operand, ParseUnary(false));
    const int height = HeightOf(operand);
    const UnaryOp op = sign.text == "-" ? UnaryOp::kNegate : UnaryOp::kPlus;
    SY_ASSIGN_OR_RETURN(
        expr, Make(sign.line, height, UnaryExpr{.op = op, .operand = std::move(operand)}));
  } else {
    SY_ASSIGN_OR_RETURN(expr, ParsePrimary());
  }
  SY_ASSIGN_OR_RETURN(expr, ParsePostfix(std::move(expr)));
  if (!with_filters) return expr;
  return ParseFiltersAndTests(std::move(expr));
}

absl::StatusOr<ExprPtr> ExprParser::ParsePrimary() {
  const Token& token = cursor_.current();
  switch (token.kind) {
    case Token::Kind::kName:
      return ParseNameOrConstant();
    case Token::Kind::kString: {
      std::string text;
      while (cursor_.current().kind == Token::Kind::kString) text += cursor_.Take().text;
      return Make(token.line, 0, ConstantExpr{Value::Literal(std::move(text))});
    }
    case Token::Kind::kInteger:
      return Make(token.line, 0, ConstantExpr{Value(cursor_.Take().integer)});
    case Token::Kind::kFloat:
      return Make(token.line, 0, ConstantExpr{Value(cursor_.Take().real)});
    default:
      break;
  }
  if (token.IsOperator("[")) return ParseListLiteral();
  if (token.IsOperator("{")) return ParseDictLiteral();
  if (!token.IsOperator("(")) return cursor_.Unexpected("an expression");
  cursor_.Take();
  if (cursor_.AcceptOperator(")"))
    return Make(token.line, 0, ListExpr{.items = {}, .is_tuple = true});
  SY_ASSIGN_OR_RETURN(ExprPtr expr, ParseTuple());
  SY_RETURN_IF_ERROR(cursor_.ExpectOperator(")"));
  return expr;
}

absl::StatusOr<ExprPtr> ExprParser::ParseNameOrConstant() {
  const Token& token = cursor_.Take();
  const std::string& name = token.text;
  if (name == "true" || name == "True") return Make(token.line, 0, ConstantExpr{Value(true)});
  if (name == "false" || name == "False") return Make(token.line, 0, ConstantExpr{Value(false)});
  if (name == "none" || name == "None") return Make(token.line, 0, ConstantExpr{Value::None()});
  return Make(token.line, 0, NameExpr{name});
}

absl::StatusOr<ExprPtr> ExprParser::ParseListLiteral() {
  const int line = cursor_.Take().line;
  ListExpr list;
  while (!cursor_.current().IsOperator("]")) {
    if (!list.items.empty()) {
      SY_RETURN_IF_ERROR(cursor_.ExpectOperator(","));
      if (cursor_.current().IsOperator("]")) break;
    }
    SY_ASSIGN_OR_RETURN(ExprPtr item, ParseExpression());
    list.items.push_back(std::move(item));
  }
  cursor_.Take();
  const int height = HeightOf(list.items);
  return Make(line, height, std::move(list));
}

absl::StatusOr<ExprPtr> ExprParser::ParseDictLiteral() {
  const int line = cursor_.Take().line;
  DictExpr dict;
  int height = 0;
  while (!cursor_.current().IsOperator("}")) {
    if (!dict.entries.empty()) {
      SY_RETURN_IF_ERROR(cursor_.ExpectOperator(","));
      if (cursor_.current().IsOperator("}")) break;
    }
    SY_ASSIGN_OR_RETURN(ExprPtr key, ParseExpression());
    SY_RETURN_IF_ERROR(cursor_.ExpectOperator(":"));
    SY_ASSIGN_OR_RETURN(ExprPtr value, ParseExpression());
    height = std::max(height, HeightOf(key, value));
    dict.entries.emplace_back(std::move(key), std::move(value));
  }
  cursor_.Take();
  return Make(line, height, std::move(dict));
}

absl::StatusOr<ExprPtr> ExprParser::ParsePostfix(ExprPtr expr) {
  while (true) {
    if (cursor_.current().IsOperator(".") || cursor_.current().IsOperator("[")) {
      SY_ASSIGN_OR_RETURN(expr, ParseSubscript(std::move(expr)));
    } else if (cursor_.current().IsOperator("(")) {
      SY_ASSIGN_OR_RETURN(expr, ParseCall(std::move(expr)));
    } else {
      return expr;
    }
  }
}

absl::StatusOr<ExprPtr> ExprParser::ParseFiltersAndTests(ExprPtr expr) {
  while (true) {
    if (cursor_.current().IsOperator("|")) {
      const int line = cursor_.Take().line;
      SY_ASSIGN_OR_RETURN(BuiltinCall filter, ParseFilter());
      const int height = std::max(HeightOf(expr), HeightOf(filter.arguments));
      SY_ASSIGN_OR_RETURN(
          expr,
          Make(line, height, FilterExpr{.subject = std::move(expr), .filter = std::move(filter)}));
    } else if (cursor_.current().IsName("is")) {
      SY_ASSIGN_OR_RETURN(expr, ParseTest(std::move(expr)));
    } else if (cursor_.current().IsOperator("(")) {
      SY_ASSIGN_OR_RETURN(expr, ParseCall(std::move(expr)));
    } else {
      return expr;
    }
  }
}

absl::StatusOr<ExprPtr> ExprParser::ParseSubscript(ExprPtr object) {
  const Token& token = cursor_.Take();
  const int line = token.line;
  if (token.text == ".") {
    const int height = HeightOf(object);
    if (cursor_.current().kind == Token::Kind::kInteger) {
      SY_ASSIGN_OR_RETURN(ExprPtr key, Make(line, 0, ConstantExpr{Value(cursor_.Take().integer)}));
      return Make(line, std::max(height, 1),
                  ItemExpr{.object = std::move(object), .key = std::move(key)});
    }
    SY_ASSIGN_OR_RETURN(std::string name, cursor_.ExpectName("the name of an attribute"));
    return Make(line, height, AttributeExpr{.object = std::move(object), .name = std::move(name)});
  }
  ExprPtr bounds[3];
  int which = 0;
  while (!cursor_.current().IsOperator("]")) {
    if (cursor_.AcceptOperator(":")) {
      if (++which > 2) return cursor_.Unexpected("']'");
    } else if (bounds[which] != nullptr) {
      return cursor_.Unexpected("']'");
    } else {
      SY_ASSIGN_OR_RETURN(bounds[which], ParseExpression());
    }
  }
  cursor_.Take();
  const int height = HeightOf(object, bounds[0], bounds[1], bounds[2]);
  if (which > 0) {
    return Make(line, height,
                SliceExpr{.object = std::move(object),
                          .start = std::move(bounds[0]),
                          .stop = std::move(bounds[1]),
                          .step = std::move(bounds[2])});
  }
  if (bounds[0] == nullptr) return SyntaxError(line, "expected a subscript between '[' and ']'");
  return Make(line, height, ItemExpr{.object = std::move(object), .key = std::move(bounds[0])});
}

absl::StatusOr<Arguments> ExprParser::ParseArguments() {
  SY_RETURN_IF_ERROR(cursor_.ExpectOperator("("));
  Arguments arguments;
  bool is_first = true;
  while (!cursor_.current().IsOperator(")")) {
    if (!is_first) {
      SY_RETURN_IF_ERROR(cursor_.ExpectOperator(","));
      if (cursor_.current().IsOperator(")")) break;
    }
    is_first = false;
    if (cursor_.current().IsOperator("*") || cursor_.current().IsOperator("**")) {
      return cursor_.Error("arguments unpacked by * or ** are not supported");
    }
    if (cursor_.current().kind == Token::Kind::kName && cursor_.next().IsOperator("=")) {
      std::string name = cursor_.Take().text;
      cursor_.Take();
      SY_ASSIGN_OR_RETURN(ExprPtr value, ParseExpression());
      arguments.named.emplace_back(std::move(name), std::move(value));
    } else if (!arguments.named.empty()) {
      return cursor_.Error("a positional argument after a named one");
    } else {
      SY_ASSIGN_OR_RETURN(ExprPtr value, ParseExpression());
      arguments.positional.push_back(std::move(value));
    }
  }
  cursor_.Take();
  return arguments;
}

absl::StatusOr<ExprPtr> ExprParser::ParseCall(ExprPtr callee) {
  const int line = cursor_.line();
  SY_ASSIGN_OR_RETURN(Arguments arguments, ParseArguments());
  const int height = std::max(HeightOf(callee), HeightOf(arguments));
  return Make(line, height,
              CallExpr{.callee = std::move(callee), .arguments = std::move(arguments)});
}

absl::StatusOr<std::string> ExprParser::ParseDottedName() {
  SY_ASSIGN_OR_RETURN(std::string name, cursor_.ExpectName("the name of a filter or test"));
  while (cursor_.AcceptOperator(".")) {
    SY_ASSIGN_OR_RETURN(std::string part, cursor_.ExpectName("a name"));
    name += "." + part;
  }
  return name;
}

absl::StatusOr<BuiltinCall> ExprParser::ParseFilter() {
  BuiltinCall filter{.line = cursor_.line()};
  SY_ASSIGN_OR_RETURN(const std::string name, ParseDottedName());
  filter.builtin = FindFilter(name);
  if (filter.builtin == nullptr) {
    return SyntaxError(filter.line, fmt::format("no filter named '{}'", name));
  }
  if (cursor_.current().IsOperator("(")) {
    SY_ASSIGN_OR_RETURN(filter.arguments, ParseArguments());
  }
  return filter;
}

absl::StatusOr<std::vector<BuiltinCall>> ExprParser::ParseFilterChain() {
  std::vector<BuiltinCall> filters;
  do {
    SY_ASSIGN_OR_RETURN(BuiltinCall filter, ParseFilter());
    filters.push_back(std::move(filter));
  } while (cursor_.AcceptOperator("|"));
  return filters;
}

absl::StatusOr<ExprPtr> ExprParser::ParseTest(ExprPtr subject) {
  const int line = cursor_.Take().line;
  const bool is_negated = cursor_.AcceptName("not");
  BuiltinCall test{.line = line};
  SY_ASSIGN_OR_RETURN(const std::string name, ParseDottedName());
  test.builtin = FindTest(name);
  if (test.builtin == nullptr) return SyntaxError(line, fmt::format("no test named '{}'", name));
  // One argument may stand without parentheses: x is divisibleby 3.
  static constexpr std::string_view kNoArgument[] = {"else", "or", "and", "if", "in", "is", "not"};
  const Token& next = cursor_.current();
  const bool is_keyword =
      next.kind == Token::Kind::kName &&
      std::find(std::begin(kNoArgument), std::end(kNoArgument), next.text) != std::end(kNoArgument);
  const bool is_operand = next.kind == Token::Kind::kString || next.kind == Token::Kind::kInteger ||
                          next.kind == Token::Kind::kFloat || next.IsOperator("[") ||
                          next.IsOperator("{") || (next.kind == Token::Kind::kName && !is_keyword);
  if (next.IsOperator("(")) {
    SY_ASSIGN_OR_RETURN(test.arguments, ParseArguments());
  } else if (is_operand) {
    SY_ASSIGN_OR_RETURN(ExprPtr argument, ParsePrimary());
    SY_ASSIGN_OR_RETURN(argument, ParsePostfix(std::move(argument)));
    test.arguments.positional.push_back(std::move(argument));
  }
  const int height = std::max(HeightOf(subject), HeightOf(test.arguments));
  SY_ASSIGN_OR_RETURN(
      ExprPtr expr,
      Make(line, height, TestExpr{.subject = std::move(subject), .test = std::move(test)}));
  if (!is_negated) return expr;
  const int test_height = HeightOf(expr);
  return Make(line, test_height, UnaryExpr{.op = UnaryOp::kNot, .operand = std::move(expr)});
}

}  // namespace switchyard::text::jinja
