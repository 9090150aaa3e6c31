// Expressions of a chat template, with Jinja's precedences:
//   if-else < or < and < not < comparisons, in < + - < ~ < * / // % < ** < unary - + < . [] () | is
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_EXPR_PARSER_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_EXPR_PARSER_H_

#include <initializer_list>
#include <string>
#include <vector>

#include "coordinator/text/jinja_ast.h"
#include "coordinator/text/jinja_token_cursor.h"

namespace switchyard::text::jinja {

// Counts how deep the parsers stand in nested constructs, in both kinds of tree together.
class NestingGuard {
 public:
  explicit NestingGuard(int& depth) : depth_(depth) { ++depth_; }
  ~NestingGuard() { --depth_; }
  NestingGuard(const NestingGuard&) = delete;
  NestingGuard& operator=(const NestingGuard&) = delete;

  bool too_deep() const { return depth_ > kMaxTreeHeight; }

 private:
  int& depth_;
};

class ExprParser {
 public:
  // `cursor` and `depth` stay the caller's.
  ExprParser(TokenCursor& cursor, int& depth) : cursor_(cursor), depth_(depth) {}

  absl::StatusOr<ExprPtr> ParseExpression();
  // Without if-else: what a for loop runs over, where "if" begins its filter.
  absl::StatusOr<ExprPtr> ParseWithoutConditional();
  // One expression, or several with commas as a tuple.
  absl::StatusOr<ExprPtr> ParseTuple(bool with_conditional = true);
  // (a, b=c), the parenthesis being the current token.
  absl::StatusOr<Arguments> ParseArguments();
  // name(arguments)|name..., the first name being the current token.
  absl::StatusOr<std::vector<BuiltinCall>> ParseFilterChain();

 private:
  absl::StatusOr<ExprPtr> ParseConditional();
  absl::StatusOr<ExprPtr> ParseOr();
  absl::StatusOr<ExprPtr> ParseAnd();
  absl::StatusOr<ExprPtr> ParseNot();
  absl::StatusOr<ExprPtr> ParseCompare();
  absl::StatusOr<ExprPtr> ParseSum();
  absl::StatusOr<ExprPtr> ParseConcat();
  absl::StatusOr<ExprPtr> ParseProduct();
  absl::StatusOr<ExprPtr> ParsePower();
  absl::StatusOr<ExprPtr> ParseUnary(bool with_filters);
  absl::StatusOr<ExprPtr> ParsePrimary();
  absl::StatusOr<ExprPtr> ParseNameOrConstant();
  absl::StatusOr<ExprPtr> ParseListLiteral();
  absl::StatusOr<ExprPtr> ParseDictLiteral();
  absl::StatusOr<ExprPtr> ParsePostfix(ExprPtr expr);
  absl::StatusOr<ExprPtr> ParseFiltersAndTests(ExprPtr expr);
  absl::StatusOr<ExprPtr> ParseSubscript(ExprPtr object);
  absl::StatusOr<ExprPtr> ParseCall(ExprPtr callee);
  absl::StatusOr<BuiltinCall> ParseFilter();
  absl::StatusOr<ExprPtr> ParseTest(ExprPtr subject);
  absl::StatusOr<std::string> ParseDottedName();

  // A node one level above the highest of `children` (which may be null).
  template <typename Node>
  absl::StatusOr<ExprPtr> Make(int line, int child_height, Node node);

  TokenCursor& cursor_;
  int& depth_;
};

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_EXPR_PARSER_H_
