#include "coordinator/text/jinja_eval.h"

#include "coordinator/text/jinja_access.h"
#include "coordinator/text/jinja_builtins.h"
#include "coordinator/text/jinja_loop.h"
#include "coordinator/text/jinja_operators.h"
#include "coordinator/text/jinja_print.h"
#include "coordinator/text/jinja_scope.h"

namespace switchyard::text::jinja {
namespace {

using Result = absl::StatusOr<Value>;

class Evaluator {
 public:
  explicit Evaluator(Runtime& runtime) : runtime_(runtime) {}

  absl::StatusOr<Text> Run(const Block& block,
                           const std::vector<std::pair<std::string_view, Value>>& variables) {
    scope_ = &scopes_.Acquire(runtime_, nullptr);
    for (const auto& [name, value] : variables) scope_->Set(runtime_, name, value);
    Text out;
    const absl::Status status = Exec(block, out).status();
    if (runtime_.exhausted()) return runtime_.ExhaustedStatus();
    if (status.ok()) return out;
    if (runtime_.raised()) return status;
    return Annotate(status, fmt::format("chat template, line {}", fault_line_));
  }

 private:
  // Where a block's execution goes on.
  enum class Flow { kNext, kBreak, kContinue };

  // A macro, or the body of a call block: a function with the scope it was made in.
  class Macro : public Object {
   public:
    Macro(Evaluator& evaluator, const Function& function, Scope* scope)
        : evaluator_(evaluator), function_(function), scope_(scope) {}
    std::string_view type_name() const override { return "Macro"; }
    bool is_callable() const override { return true; }
    Result Call(Runtime&, Args args) override {
      return evaluator_.CallMacro(function_, scope_, std::move(args));
    }

   private:
    Evaluator& evaluator_;
    const Function& function_;
    Scope* const scope_;
  };

  // Enters a scope for as long as it lives.
  class ScopeGuard {
   public:
    ScopeGuard(Evaluator& evaluator, Scope* parent)
        : evaluator_(evaluator), outer_(evaluator.scope_) {
      evaluator.scope_ = &evaluator.scopes_.Acquire(evaluator.runtime_, parent);
    }
    ~ScopeGuard() {
      evaluator_.scopes_.Release(*evaluator_.scope_);
      evaluator_.scope_ = outer_;
    }
    ScopeGuard(const ScopeGuard&) = delete;
    ScopeGuard& operator=(const ScopeGuard&) = delete;

   private:
    Evaluator& evaluator_;
    Scope* const outer_;
  };

  // False if the evaluation must end here; call Leave() in any case.
  bool Enter() {
    if (++depth_ > runtime_.limits().depth_max) {
      runtime_.Exhaust(
          fmt::format("evaluation nested deeper than {} levels", runtime_.limits().depth_max));
    }
    return runtime_.Work(1);
  }
  void Leave() { --depth_; }

  void NoteFault(const absl::Status& status, int line) {
    if (!status.ok() && fault_line_ == 0) fault_line_ = line;
  }

  // --- Statements --------------------------------------------------------------------------------

  absl::StatusOr<Flow> Exec(const Block& block, Text& out) {
    for (const Stmt& statement : block) {
      absl::StatusOr<Flow> flow = runtime_.ExhaustedStatus();
      if (Enter()) {
        flow = std::visit([&](const auto& node) { return ExecNode(node, out); }, statement.node);
      }
      Leave();
      NoteFault(flow.status(), statement.line);
      if (!flow.ok() || *flow != Flow::kNext) return flow;
    }
    return Flow::kNext;
  }

  absl::StatusOr<Flow> ExecNode(const TextStmt& statement, Text& out) {
    runtime_.Append(out, statement.text, /*from_user=*/false);
    return Flow::kNext;
  }

  absl::StatusOr<Flow> ExecNode(const OutputStmt& statement, Text& out) {
    SY_ASSIGN_OR_RETURN(const Value value, Eval(*statement.value));
    AppendStr(runtime_, out, value);
    return Flow::kNext;
  }

  absl::StatusOr<Flow> ExecNode(const IfStmt& statement, Text& out) {
    for (const IfStmt::Branch& branch : statement.branches) {
      bool is_taken = branch.test == nullptr;
      if (!is_taken) {
        SY_ASSIGN_OR_RETURN(const Value test, Eval(*branch.test));
        is_taken = IsTruthy(test);
      }
      if (is_taken) return Exec(branch.body, out);
    }
    return Flow::kNext;
  }

  absl::StatusOr<Flow> ExecNode(const ForStmt& statement, Text& out) {
    SY_ASSIGN_OR_RETURN(const Value sequence, Eval(*statement.sequence));
    SY_ASSIGN_OR_RETURN(std::vector<Value> items, Iterate(runtime_, sequence));
    if (statement.filter != nullptr) {
      SY_ASSIGN_OR_RETURN(items, FilterItems(statement, items));
    }
    if (items.empty()) return Exec(statement.otherwise, out);
    const Value object = runtime_.NewObject<Loop>(std::move(items));
    SY_RETURN_IF_ERROR(ExecLoop(statement, object, out));
    return Flow::kNext;
  }

  absl::Status ExecLoop(const ForStmt& statement, const Value& object, Text& out) {
    auto& loop = static_cast<Loop&>(object.object());
    for (; loop.HasItem(); loop.Next()) {
      ScopeGuard scope(*this, scope_);
      scope_->Set(runtime_, "loop", object);
      SY_RETURN_IF_ERROR(Assign(statement.target, loop.item()));
      SY_ASSIGN_OR_RETURN(const Flow flow, Exec(statement.body, out));
      if (flow == Flow::kBreak) break;
      if (!runtime_.Work(1)) return runtime_.ExhaustedStatus();
    }
    return absl::OkStatus();
  }

  absl::StatusOr<std::vector<Value>> FilterItems(const ForStmt& statement,
                                                 const std::vector<Value>& items) {
    std::vector<Value> kept;
    for (const Value& item : items) {
      ScopeGuard scope(*this, scope_);
      SY_RETURN_IF_ERROR(Assign(statement.target, item));
      SY_ASSIGN_OR_RETURN(const Value test, Eval(*statement.filter));
      if (IsTruthy(test)) kept.push_back(item);
    }
    return kept;
  }

  absl::StatusOr<Flow> ExecNode(const SetStmt& statement, Text&) {
    SY_ASSIGN_OR_RETURN(const Value value, Eval(*statement.value));
    SY_RETURN_IF_ERROR(Assign(statement.target, value));
    return Flow::kNext;
  }

  absl::StatusOr<Flow> ExecNode(const SetBlockStmt& statement, Text&) {
    SY_ASSIGN_OR_RETURN(const Value value, Capture(statement.body, statement.filters));
    SY_RETURN_IF_ERROR(Assign(statement.target, value));
    return Flow::kNext;
  }

  absl::StatusOr<Flow> ExecNode(const FilterBlockStmt& statement, Text& out) {
    SY_ASSIGN_OR_RETURN(const Value value, Capture(statement.body, statement.filters));
    AppendStr(runtime_, out, value);
    return Flow::kNext;
  }

  // What `body` writes, through `filters`. Its names are its own.
  Result Capture(const Block& body, const std::vector<BuiltinCall>& filters) {
    ScopeGuard scope(*this, scope_);
    Text text;
    SY_RETURN_IF_ERROR(Exec(body, text).status());
    Value value = runtime_.NewString(std::move(text));
    for (const BuiltinCall& filter : filters) {
      SY_ASSIGN_OR_RETURN(value, Apply(filter, value));
    }
    return value;
  }

  absl::StatusOr<Flow> ExecNode(const MacroStmt& statement, Text&) {
    scope_->Set(runtime_, statement.function.name, NewMacro(statement.function));
    return Flow::kNext;
  }

  absl::StatusOr<Flow> ExecNode(const CallBlockStmt& statement, Text& out) {
    const auto& call = std::get<CallExpr>(statement.call->node);
    SY_ASSIGN_OR_RETURN(const Value callee, Eval(*call.callee));
    SY_ASSIGN_OR_RETURN(Args args, EvalArguments(call.arguments));
    args.named.emplace_back("caller", NewMacro(statement.caller));
    SY_ASSIGN_OR_RETURN(const Value value, Call(callee, std::move(args)));
    AppendStr(runtime_, out, value);
    return Flow::kNext;
  }

  absl::StatusOr<Flow> ExecNode(const ScopeStmt& statement, Text& out) {
    std::vector<Value> values;
    for (const auto& [target, expr] : statement.assignments) {
      SY_ASSIGN_OR_RETURN(const Value value, Eval(*expr));
      values.push_back(value);
    }
    ScopeGuard scope(*this, scope_);
    for (size_t i = 0; i < values.size(); ++i)
      SY_RETURN_IF_ERROR(Assign(statement.assignments[i].first, values[i]));
    return Exec(statement.body, out);
  }

  absl::StatusOr<Flow> ExecNode(const LoopControlStmt& statement, Text&) {
    return statement.is_break ? Flow::kBreak : Flow::kContinue;
  }

  absl::Status Assign(const Target& target, const Value& value) {
    if (!target.attribute.empty()) {
      const Value* object = scope_->Find(runtime_, target.name);
      if (object == nullptr || !object->is_object() ||
          !object->object().SetAttribute(runtime_, target.attribute, value)) {
        return Fault("cannot assign attribute on non-namespace object");
      }
      return absl::OkStatus();
    }
    if (target.parts.empty()) {
      scope_->Set(runtime_, target.name, value);
      return absl::OkStatus();
    }
    SY_ASSIGN_OR_RETURN(const std::vector<Value> items, Iterate(runtime_, value));
    if (items.size() != target.parts.size()) {
      return Fault("cannot unpack {} values to {} names", items.size(), target.parts.size());
    }
    for (size_t i = 0; i < items.size(); ++i) SY_RETURN_IF_ERROR(Assign(target.parts[i], items[i]));
    return absl::OkStatus();
  }

  // --- Calls -------------------------------------------------------------------------------------

  Value NewMacro(const Function& function) {
    ScopePool::Capture(scope_);
    return runtime_.NewObject<Macro>(*this, function, scope_);
  }

  Result CallMacro(const Function& function, Scope* defined_in, Args args) {
    ScopeGuard scope(*this, defined_in);
    const auto& parameters = function.parameters;
    if (args.positional.size() > parameters.size()) {
      return Fault("macro '{}' takes not more than {} argument(s)", function.name,
                   parameters.size());
    }
    for (auto& [name, value] : args.named) {
      bool is_known = name == "caller";
      for (size_t i = 0; i < parameters.size(); ++i) {
        if (parameters[i].name != name) continue;
        if (i < args.positional.size())
          return Fault("macro '{}' got '{}' twice", function.name, name);
        is_known = true;
      }
      if (!is_known) return Fault("macro '{}' takes no keyword argument '{}'", function.name, name);
    }
    SY_RETURN_IF_ERROR(BindParameters(parameters, args));
    Text text;
    SY_RETURN_IF_ERROR(Exec(function.body, text).status());
    return runtime_.NewString(std::move(text));
  }

  absl::Status BindParameters(const std::vector<Function::Parameter>& parameters,
                              const Args& args) {
    for (size_t i = 0; i < parameters.size(); ++i) {
      const Function::Parameter& parameter = parameters[i];
      const Value* given =
          i < args.positional.size() ? &args.positional[i] : FindNamed(args, parameter.name);
      Value value;
      if (given != nullptr) {
        value = *given;
      } else if (parameter.default_value != nullptr) {
        SY_ASSIGN_OR_RETURN(value, Eval(*parameter.default_value));
      } else {
        value = Value::Undefined(fmt::format("parameter '{}' was not provided", parameter.name));
      }
      scope_->Set(runtime_, parameter.name, value);
    }
    if (const Value* caller = FindNamed(args, "caller")) scope_->Set(runtime_, "caller", *caller);
    return absl::OkStatus();
  }

  static const Value* FindNamed(const Args& args, std::string_view name) {
    for (const auto& [given, value] : args.named) {
      if (given == name) return &value;
    }
    return nullptr;
  }

  Result Call(const Value& callee, Args args) {
    if (callee.is_undefined()) return Fault("{}", callee.reason());
    if (!callee.is_object()) return Fault("'{}' object is not callable", TypeName(callee));
    return callee.object().Call(runtime_, std::move(args));
  }

  Result Apply(const BuiltinCall& call, const Value& subject) {
    SY_ASSIGN_OR_RETURN(Args args, EvalArguments(call.arguments));
    return CallBuiltin(runtime_, *call.builtin, subject, std::move(args));
  }

  absl::StatusOr<Args> EvalArguments(const Arguments& arguments) {
    Args args;
    for (const ExprPtr& argument : arguments.positional) {
      SY_ASSIGN_OR_RETURN(Value value, Eval(*argument));
      args.positional.push_back(std::move(value));
    }
    for (const auto& [name, argument] : arguments.named) {
      SY_ASSIGN_OR_RETURN(Value value, Eval(*argument));
      args.named.emplace_back(name, std::move(value));
    }
    return args;
  }

  // --- Expressions -------------------------------------------------------------------------------

  Result Eval(const Expr& expr) {
    Result result = runtime_.ExhaustedStatus();
    if (Enter()) {
      result = std::visit([&](const auto& node) { return EvalNode(node); }, expr.node);
    }
    Leave();
    NoteFault(result.status(), expr.line);
    return result;
  }

  // Undefined if there is no expression.
  Result EvalOptional(const ExprPtr& expr) { return expr != nullptr ? Eval(*expr) : Value(); }

  Result EvalNode(const ConstantExpr& expr) { return expr.value; }

  Result EvalNode(const NameExpr& expr) {
    if (const Value* value = scope_->Find(runtime_, expr.name)) return *value;
    if (const Builtin* global = FindGlobal(expr.name)) {
      return runtime_.NewObject<BoundBuiltin>(*global, Value());
    }
    return Value::Undefined(fmt::format("'{}' is undefined", expr.name));
  }

  Result EvalNode(const ListExpr& expr) {
    std::vector<Value> items;
    items.reserve(expr.items.size());
    for (const ExprPtr& item : expr.items) {
      SY_ASSIGN_OR_RETURN(Value value, Eval(*item));
      items.push_back(std::move(value));
    }
    return runtime_.NewList(std::move(items), expr.is_tuple);
  }

  Result EvalNode(const DictExpr& expr) {
    Dict& dict = runtime_.NewDict();
    for (const auto& [key_expr, value_expr] : expr.entries) {
      SY_ASSIGN_OR_RETURN(const Value key, Eval(*key_expr));
      SY_ASSIGN_OR_RETURN(Value value, Eval(*value_expr));
      if (!key.is_string() && !key.is_number() && !key.is_none()) {
        return Fault("'{}' cannot be the key of a dict", TypeName(key));
      }
      dict.Set(runtime_, key, std::move(value));
    }
    return Value(&dict);
  }

  Result EvalNode(const UnaryExpr& expr) {
    SY_ASSIGN_OR_RETURN(const Value operand, Eval(*expr.operand));
    switch (expr.op) {
      case UnaryOp::kNot:
        return Value(!IsTruthy(operand));
      case UnaryOp::kNegate:
        return Negate(operand);
      case UnaryOp::kPlus:
        break;
    }
    if (!operand.is_number()) return Fault("bad operand type for unary +: '{}'", TypeName(operand));
    return operand;
  }

  Result EvalNode(const BinaryExpr& expr) {
    SY_ASSIGN_OR_RETURN(const Value left, Eval(*expr.left));
    SY_ASSIGN_OR_RETURN(const Value right, Eval(*expr.right));
    return Arithmetic(runtime_, expr.op, left, right);
  }

  Result EvalNode(const ConcatExpr& expr) {
    SY_ASSIGN_OR_RETURN(const Value left, Eval(*expr.left));
    SY_ASSIGN_OR_RETURN(const Value right, Eval(*expr.right));
    return Concatenate(runtime_, left, right);
  }

  Result EvalNode(const CompareExpr& expr) {
    SY_ASSIGN_OR_RETURN(Value left, Eval(*expr.first));
    for (const auto& [op, operand] : expr.rest) {
      SY_ASSIGN_OR_RETURN(Value right, Eval(*operand));
      SY_ASSIGN_OR_RETURN(const bool holds, CompareBy(runtime_, op, left, right));
      if (!holds) return Value(false);
      left = std::move(right);
    }
    return Value(true);
  }

  Result EvalNode(const LogicExpr& expr) {
    SY_ASSIGN_OR_RETURN(Value left, Eval(*expr.left));
    if (IsTruthy(left) != expr.is_and) return left;
    return Eval(*expr.right);
  }

  Result EvalNode(const ConditionalExpr& expr) {
    SY_ASSIGN_OR_RETURN(const Value test, Eval(*expr.test));
    if (IsTruthy(test)) return Eval(*expr.then);
    if (expr.otherwise != nullptr) return Eval(*expr.otherwise);
    return Value::Undefined(
        "the inline if-expression evaluated to false and no else section was defined.");
  }

  Result EvalNode(const AttributeExpr& expr) {
    SY_ASSIGN_OR_RETURN(const Value object, Eval(*expr.object));
    return GetAttribute(runtime_, object, expr.name);
  }

  Result EvalNode(const ItemExpr& expr) {
    SY_ASSIGN_OR_RETURN(const Value object, Eval(*expr.object));
    SY_ASSIGN_OR_RETURN(const Value key, Eval(*expr.key));
    return GetItem(runtime_, object, key);
  }

  Result EvalNode(const SliceExpr& expr) {
    SY_ASSIGN_OR_RETURN(const Value object, Eval(*expr.object));
    SliceBounds bounds;
    SY_ASSIGN_OR_RETURN(bounds.start, EvalOptional(expr.start));
    SY_ASSIGN_OR_RETURN(bounds.stop, EvalOptional(expr.stop));
    SY_ASSIGN_OR_RETURN(bounds.step, EvalOptional(expr.step));
    return GetSlice(runtime_, object, bounds);
  }

  Result EvalNode(const CallExpr& expr) {
    SY_ASSIGN_OR_RETURN(const Value callee, Eval(*expr.callee));
    SY_ASSIGN_OR_RETURN(Args args, EvalArguments(expr.arguments));
    return Call(callee, std::move(args));
  }

  Result EvalNode(const FilterExpr& expr) {
    SY_ASSIGN_OR_RETURN(const Value subject, Eval(*expr.subject));
    return Apply(expr.filter, subject);
  }

  Result EvalNode(const TestExpr& expr) {
    SY_ASSIGN_OR_RETURN(const Value subject, Eval(*expr.subject));
    return Apply(expr.test, subject);
  }

  Runtime& runtime_;
  ScopePool scopes_;
  Scope* scope_ = nullptr;  // the innermost
  int depth_ = 0;
  int fault_line_ = 0;  // of the innermost node that failed; 0: none yet
};

}  // namespace

absl::StatusOr<Text> Evaluate(Runtime& runtime, const Block& block,
                              const std::vector<std::pair<std::string_view, Value>>& variables) {
  return Evaluator(runtime).Run(block, variables);
}

}  // namespace switchyard::text::jinja
