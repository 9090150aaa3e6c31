// Tests: what may follow "is".
#include "coordinator/text/jinja_builtins.h"
#include "coordinator/text/jinja_operators.h"
#include "coordinator/text/jinja_text_ops.h"

namespace switchyard::text::jinja {
namespace {

using Result = absl::StatusOr<Value>;

template <bool (*predicate)(const Value&)>
Result KindTest(Runtime&, const Value& self, const Args&) {
  return Value(predicate(self));
}

bool IsDefined(const Value& value) { return !value.is_undefined(); }
bool IsUndefined(const Value& value) { return value.is_undefined(); }
bool IsNone(const Value& value) { return value.tests_as_none(); }
bool IsBoolean(const Value& value) { return value.kind() == Kind::kBool; }
bool IsTrue(const Value& value) { return value.kind() == Kind::kBool && value.as_bool(); }
bool IsFalse(const Value& value) { return value.kind() == Kind::kBool && !value.as_bool(); }
bool IsInteger(const Value& value) { return value.kind() == Kind::kInt; }
bool IsFloat(const Value& value) { return value.kind() == Kind::kFloat; }
bool IsNumber(const Value& value) { return value.is_number(); }
bool IsString(const Value& value) { return value.is_string(); }
bool IsMapping(const Value& value) { return value.is_dict(); }
bool IsCallable(const Value& value) { return value.is_object() && value.object().is_callable(); }
// Something undefined can be looped over, and has a length: both are nothing.
bool IsSequence(const Value& value) {
  return value.is_list() || value.is_dict() || value.is_string() || value.is_undefined();
}

template <CompareOp op>
Result CompareTest(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const bool holds, CompareBy(runtime, op, self, args.positional[0]));
  return Value(holds);
}

Result SameAsTest(Runtime& runtime, const Value& self, const Args& args) {
  const Value& other = args.positional[0];
  if (self.kind() != other.kind()) return Value(false);
  if (self.is_list()) return Value(&self.list() == &other.list());
  if (self.is_dict()) return Value(&self.dict() == &other.dict());
  return Value(Equal(runtime, self, other));
}

absl::StatusOr<int64_t> Remainder(Runtime& runtime, const Value& self, const Value& divisor) {
  if (!self.is_integral() || !divisor.is_integral()) {
    return Fault("an integer is required, not '{}'", TypeName(self.is_integral() ? divisor : self));
  }
  SY_ASSIGN_OR_RETURN(const Value remainder, Arithmetic(runtime, BinaryOp::kModulo, self, divisor));
  return remainder.integer();
}

template <int64_t wanted>
Result ParityTest(Runtime& runtime, const Value& self, const Args&) {
  SY_ASSIGN_OR_RETURN(const int64_t remainder, Remainder(runtime, self, Value(int64_t{2})));
  return Value(remainder == wanted);
}

Result DivisibleByTest(Runtime& runtime, const Value& self, const Args& args) {
  SY_ASSIGN_OR_RETURN(const int64_t remainder, Remainder(runtime, self, args.positional[0]));
  return Value(remainder == 0);
}

template <bool wants_upper>
Result CaseTest(Runtime& runtime, const Value& self, const Args&) {
  if (!self.is_string()) return Value(false);
  return CallBuiltin(runtime, *FindMethod(self, wants_upper ? "isupper" : "islower"), self, {});
}

constexpr Builtin kTests[] = {
    {"defined", KindTest<IsDefined>},
    {"undefined", KindTest<IsUndefined>},
    {"none", KindTest<IsNone>},
    {"boolean", KindTest<IsBoolean>},
    {"true", KindTest<IsTrue>},
    {"false", KindTest<IsFalse>},
    {"integer", KindTest<IsInteger>},
    {"float", KindTest<IsFloat>},
    {"number", KindTest<IsNumber>},
    {"string", KindTest<IsString>},
    {"mapping", KindTest<IsMapping>},
    {"sequence", KindTest<IsSequence>},
    {"iterable", KindTest<IsSequence>},
    {"callable", KindTest<IsCallable>},
    {"equalto", CompareTest<CompareOp::kEqual>, "other"},
    {"eq", CompareTest<CompareOp::kEqual>, "other"},
    {"==", CompareTest<CompareOp::kEqual>, "other"},
    {"ne", CompareTest<CompareOp::kNotEqual>, "other"},
    {"!=", CompareTest<CompareOp::kNotEqual>, "other"},
    {"lt", CompareTest<CompareOp::kLess>, "other"},
    {"<", CompareTest<CompareOp::kLess>, "other"},
    {"lessthan", CompareTest<CompareOp::kLess>, "other"},
    {"le", CompareTest<CompareOp::kLessEqual>, "other"},
    {"<=", CompareTest<CompareOp::kLessEqual>, "other"},
    {"gt", CompareTest<CompareOp::kGreater>, "other"},
    {">", CompareTest<CompareOp::kGreater>, "other"},
    {"greaterthan", CompareTest<CompareOp::kGreater>, "other"},
    {"ge", CompareTest<CompareOp::kGreaterEqual>, "other"},
    {">=", CompareTest<CompareOp::kGreaterEqual>, "other"},
    {"in", CompareTest<CompareOp::kIn>, "seq"},
    {"sameas", SameAsTest, "other"},
    {"odd", ParityTest<1>},
    {"even", ParityTest<0>},
    {"divisibleby", DivisibleByTest, "num"},
    {"upper", CaseTest<true>},
    {"lower", CaseTest<false>},
};

}  // namespace

std::span<const Builtin> Tests() { return kTests; }

}  // namespace switchyard::text::jinja
