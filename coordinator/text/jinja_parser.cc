#include "coordinator/text/jinja_parser.h"

#include <algorithm>
#include <initializer_list>
#include <optional>

#include "coordinator/text/jinja_expr_parser.h"
#include "coordinator/text/utf8.h"

namespace switchyard::text::jinja {
namespace {

class StmtParser {
 public:
  explicit StmtParser(TokenCursor& cursor) : cursor_(cursor), exprs_(cursor, depth_) {}

  absl::StatusOr<Block> ParseAll() {
    SY_ASSIGN_OR_RETURN(Block block, ParseBlock({}));
    if (cursor_.current().kind == Token::Kind::kEnd) return block;
    return cursor_.Error("a closing tag that closes nothing");
  }

 private:
  using Kind = Token::Kind;
  using EndTags = std::initializer_list<std::string_view>;

  // Statements up to one of `end_tags` (the cursor then stands on its name) or, if there are none,
  // up to the end.
  absl::StatusOr<Block> ParseBlock(EndTags end_tags) {
    NestingGuard guard(depth_);
    if (guard.too_deep()) return cursor_.Error("blocks nested too deeply");
    Block block;
    while (true) {
      const Token& token = cursor_.Take();
      switch (token.kind) {
        case Kind::kText:
          block.push_back({.line = token.line, .node = TextStmt{token.text}});
          break;
        case Kind::kOutputBegin: {
          SY_ASSIGN_OR_RETURN(ExprPtr value, exprs_.ParseTuple());
          SY_RETURN_IF_ERROR(cursor_.Expect(Kind::kOutputEnd, "'}}'"));
          block.push_back({.line = token.line, .node = OutputStmt{std::move(value)}});
          break;
        }
        case Kind::kBlockBegin: {
          const Token& tag = cursor_.current();
          if (std::find(end_tags.begin(), end_tags.end(), tag.text) != end_tags.end()) return block;
          SY_ASSIGN_OR_RETURN(Stmt::Node node, ParseTag(end_tags));
          block.push_back({.line = token.line, .node = std::move(node)});
          break;
        }
        default:
          if (end_tags.size() == 0) return block;
          return cursor_.Error(
              fmt::format("the template ends before {{% {} %}}", *(end_tags.end() - 1)));
      }
    }
  }

  // ParseBlock, the end tag's name and the end of that tag.
  absl::StatusOr<Block> ParseBody(std::string_view end_tag) {
    SY_RETURN_IF_ERROR(EndTag());
    SY_ASSIGN_OR_RETURN(Block block, ParseBlock({end_tag}));
    cursor_.Take();
    SY_RETURN_IF_ERROR(EndTag());
    return block;
  }

  absl::Status EndTag() { return cursor_.Expect(Kind::kBlockEnd, "'%}'"); }

  absl::StatusOr<Stmt::Node> ParseTag(EndTags end_tags) {
    SY_ASSIGN_OR_RETURN(const std::string tag, cursor_.ExpectName("the name of a tag"));
    if (tag == "if") return ParseIf();
    if (tag == "for") return ParseFor();
    if (tag == "set") return ParseSet();
    if (tag == "macro") return ParseMacro();
    if (tag == "call") return ParseCallBlock();
    if (tag == "filter") return ParseFilterBlock();
    if (tag == "with") return ParseWith();
    if (tag == "generation") {
      SY_ASSIGN_OR_RETURN(Block body, ParseBody("endgeneration"));
      return ScopeStmt{.assignments = {}, .body = std::move(body)};
    }
    if (tag == "break" || tag == "continue") {
      if (loop_depth_ == 0) return cursor_.Error(fmt::format("'{}' outside of a loop", tag));
      SY_RETURN_IF_ERROR(EndTag());
      return LoopControlStmt{.is_break = tag == "break"};
    }
    if (end_tags.size() == 0) return cursor_.Error(fmt::format("unknown tag '{}'", tag));
    return cursor_.Error(
        fmt::format("unknown tag '{}' (or a missing '{}')", tag, *(end_tags.end() - 1)));
  }

  absl::StatusOr<Stmt::Node> ParseIf() {
    IfStmt statement;
    while (true) {
      IfStmt::Branch branch;
      SY_ASSIGN_OR_RETURN(branch.test, exprs_.ParseTuple());
      SY_RETURN_IF_ERROR(EndTag());
      SY_ASSIGN_OR_RETURN(branch.body, ParseBlock({"elif", "else", "endif"}));
      statement.branches.push_back(std::move(branch));
      if (cursor_.AcceptName("elif")) continue;
      if (cursor_.AcceptName("else")) {
        SY_ASSIGN_OR_RETURN(Block body, ParseBody("endif"));
        statement.branches.push_back({.test = nullptr, .body = std::move(body)});
      } else {
        cursor_.Take();
        SY_RETURN_IF_ERROR(EndTag());
      }
      return statement;
    }
  }

  absl::StatusOr<Stmt::Node> ParseFor() {
    ForStmt loop;
    SY_ASSIGN_OR_RETURN(loop.target, ParseTarget(/*with_attribute=*/false));
    if (!cursor_.AcceptName("in")) return cursor_.Unexpected("'in'");
    SY_ASSIGN_OR_RETURN(loop.sequence, exprs_.ParseTuple(/*with_conditional=*/false));
    if (cursor_.AcceptName("if")) {
      SY_ASSIGN_OR_RETURN(loop.filter, exprs_.ParseExpression());
    }
    if (cursor_.current().IsName("recursive"))
      return cursor_.Error("recursive loops are not supported");
    SY_RETURN_IF_ERROR(EndTag());
    ++loop_depth_;
    SY_ASSIGN_OR_RETURN(loop.body, ParseBlock({"else", "endfor"}));
    --loop_depth_;
    if (cursor_.AcceptName("else")) {
      SY_ASSIGN_OR_RETURN(loop.otherwise, ParseBody("endfor"));
    } else {
      cursor_.Take();
      SY_RETURN_IF_ERROR(EndTag());
    }
    return loop;
  }

  absl::StatusOr<Target> ParseTarget(bool with_attribute) {
    NestingGuard guard(depth_);
    if (guard.too_deep()) return cursor_.Error("a target nested too deeply");
    Target tuple;
    bool has_comma = false;
    while (true) {
      Target target;
      if (cursor_.AcceptOperator("(")) {
        SY_ASSIGN_OR_RETURN(target, ParseTarget(with_attribute));
        SY_RETURN_IF_ERROR(cursor_.ExpectOperator(")"));
      } else {
        SY_ASSIGN_OR_RETURN(target.name, cursor_.ExpectName("a name to assign to"));
        if (with_attribute && cursor_.AcceptOperator(".")) {
          SY_ASSIGN_OR_RETURN(target.attribute, cursor_.ExpectName("the name of an attribute"));
        }
      }
      tuple.parts.push_back(std::move(target));
      if (!cursor_.AcceptOperator(",")) break;
      has_comma = true;
      if (cursor_.current().IsName("in") || cursor_.current().IsOperator("=") ||
          cursor_.current().IsOperator(")")) {
        break;
      }
    }
    if (has_comma) return tuple;
    return Target(std::move(tuple.parts[0]));
  }

  absl::StatusOr<Stmt::Node> ParseSet() {
    SY_ASSIGN_OR_RETURN(Target target, ParseTarget(/*with_attribute=*/true));
    if (cursor_.AcceptOperator("=")) {
      SY_ASSIGN_OR_RETURN(ExprPtr value, exprs_.ParseTuple());
      SY_RETURN_IF_ERROR(EndTag());
      return SetStmt{.target = std::move(target), .value = std::move(value)};
    }
    SetBlockStmt statement{.target = std::move(target), .filters = {}, .body = {}};
    if (cursor_.AcceptOperator("|")) {
      SY_ASSIGN_OR_RETURN(statement.filters, exprs_.ParseFilterChain());
    }
    SY_ASSIGN_OR_RETURN(statement.body, ParseBody("endset"));
    return statement;
  }

  // (a, b=1) of a macro or call block.
  absl::StatusOr<std::vector<Function::Parameter>> ParseParameters() {
    SY_RETURN_IF_ERROR(cursor_.ExpectOperator("("));
    std::vector<Function::Parameter> parameters;
    while (!cursor_.AcceptOperator(")")) {
      if (!parameters.empty()) SY_RETURN_IF_ERROR(cursor_.ExpectOperator(","));
      Function::Parameter parameter;
      SY_ASSIGN_OR_RETURN(parameter.name, cursor_.ExpectName("the name of a parameter"));
      if (cursor_.AcceptOperator("=")) {
        SY_ASSIGN_OR_RETURN(parameter.default_value, exprs_.ParseExpression());
      } else if (!parameters.empty() && parameters.back().default_value != nullptr) {
        return cursor_.Error("a parameter without a default after one with a default");
      }
      parameters.push_back(std::move(parameter));
    }
    return parameters;
  }

  // The body of a macro or call block; no loop around it is left by its break.
  absl::StatusOr<Block> ParseFunctionBody(std::string_view end_tag) {
    const int outer_loop_depth = std::exchange(loop_depth_, 0);
    SY_ASSIGN_OR_RETURN(Block body, ParseBody(end_tag));
    loop_depth_ = outer_loop_depth;
    return body;
  }

  absl::StatusOr<Stmt::Node> ParseMacro() {
    Function macro;
    SY_ASSIGN_OR_RETURN(macro.name, cursor_.ExpectName("the name of a macro"));
    SY_ASSIGN_OR_RETURN(macro.parameters, ParseParameters());
    SY_ASSIGN_OR_RETURN(macro.body, ParseFunctionBody("endmacro"));
    return MacroStmt{std::move(macro)};
  }

  absl::StatusOr<Stmt::Node> ParseCallBlock() {
    CallBlockStmt statement{.caller = {.name = "caller", .parameters = {}, .body = {}},
                            .call = nullptr};
    if (cursor_.current().IsOperator("(")) {
      SY_ASSIGN_OR_RETURN(statement.caller.parameters, ParseParameters());
    }
    SY_ASSIGN_OR_RETURN(statement.call, exprs_.ParseExpression());
    if (!std::holds_alternative<CallExpr>(statement.call->node)) {
      return cursor_.Error("{% call %} needs a call, as in {% call macro() %}");
    }
    SY_ASSIGN_OR_RETURN(statement.caller.body, ParseFunctionBody("endcall"));
    return statement;
  }

  absl::StatusOr<Stmt::Node> ParseFilterBlock() {
    FilterBlockStmt statement;
    SY_ASSIGN_OR_RETURN(statement.filters, exprs_.ParseFilterChain());
    SY_ASSIGN_OR_RETURN(statement.body, ParseBody("endfilter"));
    return statement;
  }

  absl::StatusOr<Stmt::Node> ParseWith() {
    ScopeStmt statement;
    while (cursor_.current().kind != Kind::kBlockEnd) {
      if (!statement.assignments.empty()) SY_RETURN_IF_ERROR(cursor_.ExpectOperator(","));
      SY_ASSIGN_OR_RETURN(std::string name, cursor_.ExpectName("a name to assign to"));
      SY_RETURN_IF_ERROR(cursor_.ExpectOperator("="));
      SY_ASSIGN_OR_RETURN(ExprPtr value, exprs_.ParseExpression());
      statement.assignments.emplace_back(
          Target{.name = std::move(name), .attribute = "", .parts = {}}, std::move(value));
    }
    SY_ASSIGN_OR_RETURN(statement.body, ParseBody("endwith"));
    return statement;
  }

  TokenCursor& cursor_;
  int depth_ = 0;
  int loop_depth_ = 0;
  ExprParser exprs_;
};

}  // namespace

absl::StatusOr<Block> ParseTemplate(std::string_view source) {
  if (source.size() > kMaxSourceBytes) {
    return absl::InvalidArgumentError(fmt::format(
        "chat template: {} bytes, more than the limit of {}", source.size(), kMaxSourceBytes));
  }
  if (!IsValidUtf8(source)) return absl::InvalidArgumentError("chat template: no valid UTF-8");
  SY_ASSIGN_OR_RETURN(std::vector<Token> tokens, Tokenize(source));
  TokenCursor cursor(std::move(tokens));
  return StmtParser(cursor).ParseAll();
}

}  // namespace switchyard::text::jinja
