// The functions that templates find there: filters, tests, methods of values, globals.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_BUILTINS_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_BUILTINS_H_

#include <span>
#include <string_view>

#include "coordinator/text/jinja_runtime.h"
#include "coordinator/text/jinja_value.h"

namespace switchyard::text::jinja {

// `self` is what stands before the bar of a filter, the "is" of a test, the dot of a method;
// undefined for a global function.
using BuiltinFunction = absl::StatusOr<Value> (*)(Runtime& runtime, const Value& self,
                                                  const Args& args);

struct Builtin {
  std::string_view name;
  BuiltinFunction function;
  // Names of the parameters, separated by blanks; those that end in '?' may be left out. "*": any
  // arguments, as written.
  std::string_view parameters = "";
};

// Null if there is none of this name.
const Builtin* FindFilter(std::string_view name);
const Builtin* FindTest(std::string_view name);
const Builtin* FindGlobal(std::string_view name);
const Builtin* FindMethod(const Value& self, std::string_view name);

// Binds `args` to the parameters and calls.
absl::StatusOr<Value> CallBuiltin(Runtime& runtime, const Builtin& builtin, const Value& self,
                                  Args args);

// A builtin as a value: a method with what it is a method of, or a global function.
class BoundBuiltin : public Object {
 public:
  BoundBuiltin(const Builtin& builtin, Value self) : builtin_(builtin), self_(std::move(self)) {}
  std::string_view type_name() const override { return "builtin_function_or_method"; }
  bool is_callable() const override { return true; }
  absl::StatusOr<Value> Call(Runtime& runtime, Args args) override {
    return CallBuiltin(runtime, builtin_, self_, std::move(args));
  }

 private:
  const Builtin& builtin_;
  const Value self_;
};

// namespace(): the one thing whose attributes a template may set.
class Namespace : public Object {
 public:
  std::string_view type_name() const override { return "namespace"; }
  std::optional<Value> GetAttribute(Runtime& runtime, std::string_view name) override;
  bool SetAttribute(Runtime& runtime, std::string_view name, const Value& value) override;

 private:
  Dict attributes_;
};

// The tables, one per file.
std::span<const Builtin> TextFilters();
std::span<const Builtin> SequenceFilters();
std::span<const Builtin> Tests();
std::span<const Builtin> TextMethods();
std::span<const Builtin> ListMethods();
std::span<const Builtin> DictMethods();
std::span<const Builtin> Globals();

// --- For the tables' own use ---------------------------------------------------------------------

// The argument as what the function needs, `fallback` if it was not given.
absl::StatusOr<int64_t> IntArg(const Args& args, size_t index, int64_t fallback);
bool BoolArg(const Args& args, size_t index, bool fallback);
// The attribute named by `path` ("function.name", or an index), undefined where there is none.
absl::StatusOr<Value> AttributeByPath(Runtime& runtime, const Value& value, const Value& path);

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_BUILTINS_H_
