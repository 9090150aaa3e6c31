// A parsed chat template. Made by jinja_parser, walked by jinja_eval, never changed in between.
//
// `height` bounds every recursion over a tree, that of its destructor too: the parser refuses trees
// higher than kMaxTreeHeight.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_AST_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_AST_H_

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "coordinator/text/jinja_value.h"

namespace switchyard::text::jinja {

inline constexpr int kMaxTreeHeight = 200;

enum class BinaryOp { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };
enum class CompareOp { kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kIn, kNotIn };
enum class UnaryOp { kNot, kNegate, kPlus };

struct Builtin;  // jinja_builtins.h
struct Expr;
struct Stmt;
using ExprPtr = std::unique_ptr<Expr>;
using Block = std::vector<Stmt>;

// --- Expressions ---------------------------------------------------------------------------------

struct Arguments {
  std::vector<ExprPtr> positional;
  std::vector<std::pair<std::string, ExprPtr>> named;
};

// A filter or test with what stands in its parentheses.
struct BuiltinCall {
  const Builtin* builtin = nullptr;
  Arguments arguments;
  int line = 0;
};

struct ConstantExpr {
  Value value;
};
struct NameExpr {
  std::string name;
};
struct ListExpr {
  std::vector<ExprPtr> items;
  bool is_tuple = false;
};
struct DictExpr {
  std::vector<std::pair<ExprPtr, ExprPtr>> entries;
};
struct UnaryExpr {
  UnaryOp op;
  ExprPtr operand;
};
struct BinaryExpr {
  BinaryOp op;
  ExprPtr left, right;
};
// left ~ right
struct ConcatExpr {
  ExprPtr left, right;
};
// first < a <= b: each operand compared with the one before.
struct CompareExpr {
  ExprPtr first;
  std::vector<std::pair<CompareOp, ExprPtr>> rest;
};
struct LogicExpr {
  bool is_and;
  ExprPtr left, right;
};
// then if test else otherwise; `otherwise` may be null.
struct ConditionalExpr {
  ExprPtr test, then, otherwise;
};
struct AttributeExpr {
  ExprPtr object;
  std::string name;
};
struct ItemExpr {
  ExprPtr object, key;
};
// object[start:stop:step]; each bound may be null.
struct SliceExpr {
  ExprPtr object, start, stop, step;
};
struct CallExpr {
  ExprPtr callee;
  Arguments arguments;
};
struct FilterExpr {
  ExprPtr subject;
  BuiltinCall filter;
};
struct TestExpr {
  ExprPtr subject;
  BuiltinCall test;
};

struct Expr {
  using Node = std::variant<ConstantExpr, NameExpr, ListExpr, DictExpr, UnaryExpr, BinaryExpr,
                            ConcatExpr, CompareExpr, LogicExpr, ConditionalExpr, AttributeExpr,
                            ItemExpr, SliceExpr, CallExpr, FilterExpr, TestExpr>;
  int line;
  int height;
  Node node;
};

// --- Statements ----------------------------------------------------------------------------------

// What is assigned to: a name, an attribute of a namespace (`name.attribute`), or several targets
// (`parts`).
struct Target {
  std::string name;
  std::string attribute;
  std::vector<Target> parts;
};

// What macros and call blocks have in common.
struct Function {
  struct Parameter {
    std::string name;
    ExprPtr default_value;  // may be null
  };
  std::string name;
  std::vector<Parameter> parameters;
  Block body;
};

struct TextStmt {
  std::string text;
};
struct OutputStmt {
  ExprPtr value;
};
struct IfStmt {
  struct Branch {
    ExprPtr test;  // null: else
    Block body;
  };
  std::vector<Branch> branches;
};
struct ForStmt {
  Target target;
  ExprPtr sequence;
  ExprPtr filter;  // may be null
  Block body;
  Block otherwise;  // runs if there was no item
};
struct SetStmt {
  Target target;
  ExprPtr value;
};
struct SetBlockStmt {
  Target target;
  std::vector<BuiltinCall> filters;
  Block body;
};
struct MacroStmt {
  Function function;
};
// {% call(parameters) callee(...) %}body{% endcall %}
struct CallBlockStmt {
  Function caller;
  ExprPtr call;  // a CallExpr
};
struct FilterBlockStmt {
  std::vector<BuiltinCall> filters;
  Block body;
};
// {% with a = 1 %} and {% generation %}: a body with names of its own.
struct ScopeStmt {
  std::vector<std::pair<Target, ExprPtr>> assignments;
  Block body;
};
struct LoopControlStmt {
  bool is_break;  // else continue
};

struct Stmt {
  using Node = std::variant<TextStmt, OutputStmt, IfStmt, ForStmt, SetStmt, SetBlockStmt, MacroStmt,
                            CallBlockStmt, FilterBlockStmt, ScopeStmt, LoopControlStmt>;
  int line;
  Node node;
};

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_AST_H_
