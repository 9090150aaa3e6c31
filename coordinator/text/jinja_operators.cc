#include "coordinator/text/jinja_operators.h"

#include <algorithm>
#include <cmath>

#include "coordinator/text/jinja_format.h"
#include "coordinator/text/jinja_print.h"

namespace switchyard::text::jinja {
namespace {

std::string_view Symbol(BinaryOp op) {
  switch (op) {
    case BinaryOp::kAdd:
      return "+";
    case BinaryOp::kSubtract:
      return "-";
    case BinaryOp::kMultiply:
      return "*";
    case BinaryOp::kDivide:
      return "/";
    case BinaryOp::kFloorDivide:
      return "//";
    case BinaryOp::kModulo:
      return "%";
    case BinaryOp::kPower:
      return "** or pow()";
  }
  return "?";
}

bool EqualAt(Runtime& runtime, const Value& a, const Value& b, int depth) {
  if (!runtime.Work(1)) return false;
  if (depth > runtime.limits().value_depth_max) {
    runtime.Exhaust("a comparison of values nested too deep");
    return false;
  }
  if (a.is_integral() && b.is_integral()) return a.integer() == b.integer();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.tests_as_none() && b.tests_as_none()) return true;
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case Kind::kString:
      return a.text().bytes() == b.text().bytes();
    case Kind::kList: {
      const auto& left = a.list().items;
      const auto& right = b.list().items;
      return a.list().is_tuple == b.list().is_tuple &&
             std::equal(
                 left.begin(), left.end(), right.begin(), right.end(),
                 [&](const Value& x, const Value& y) { return EqualAt(runtime, x, y, depth + 1); });
    }
    case Kind::kDict: {
      if (a.dict().items.size() != b.dict().items.size()) return false;
      for (const auto& [key, value] : a.dict().items) {
        const Value* other = b.dict().Find(runtime, key);
        if (other == nullptr || !EqualAt(runtime, value, *other, depth + 1)) return false;
      }
      return true;
    }
    case Kind::kObject:
      return &a.object() == &b.object();
    default:
      return true;  // undefined and None have one value each
  }
}

absl::StatusOr<bool> LessAt(Runtime& runtime, const Value& a, const Value& b, int depth) {
  if (!runtime.Work(1)) return false;
  if (depth > runtime.limits().value_depth_max) {
    runtime.Exhaust("a comparison of values nested too deep");
    return false;
  }
  if (a.is_undefined()) return Fault("{}", a.reason());
  if (b.is_undefined()) return Fault("{}", b.reason());
  if (a.is_integral() && b.is_integral()) return a.integer() < b.integer();
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  if (a.is_string() && b.is_string()) return a.text().bytes() < b.text().bytes();
  if (!a.is_list() || !b.is_list() || a.list().is_tuple != b.list().is_tuple) {
    return Fault("'<' not supported between instances of '{}' and '{}'", TypeName(a), TypeName(b));
  }
  const auto& left = a.list().items;
  const auto& right = b.list().items;
  for (size_t i = 0; i < std::min(left.size(), right.size()); ++i) {
    if (!EqualAt(runtime, left[i], right[i], depth + 1)) {
      return LessAt(runtime, left[i], right[i], depth + 1);
    }
  }
  return left.size() < right.size();
}

absl::Status NoSuchOperation(BinaryOp op, const Value& a, const Value& b) {
  if (a.is_undefined()) return Fault("{}", a.reason());
  if (b.is_undefined()) return Fault("{}", b.reason());
  if (op == BinaryOp::kAdd && (a.is_string() || a.is_list())) {
    return Fault("can only concatenate {0} (not \"{1}\") to {0}", TypeName(a), TypeName(b));
  }
  return Fault("unsupported operand type(s) for {}: '{}' and '{}'", Symbol(op), TypeName(a),
               TypeName(b));
}

absl::StatusOr<Value> IntegerPower(int64_t base, int64_t exponent) {
  if (exponent < 0) return Value(std::pow(double(base), double(exponent)));
  int64_t result = 1;
  while (exponent > 0) {
    const bool is_odd = exponent % 2 == 1;
    if (is_odd && __builtin_mul_overflow(result, base, &result)) {
      return Fault("the result of ** is too large");
    }
    exponent /= 2;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) {
      return Fault("the result of ** is too large");
    }
  }
  return Value(result);
}

absl::StatusOr<Value> IntegerArithmetic(BinaryOp op, int64_t a, int64_t b) {
  int64_t result = 0;
  bool overflows = false;
  switch (op) {
    case BinaryOp::kAdd:
      overflows = __builtin_add_overflow(a, b, &result);
      break;
    case BinaryOp::kSubtract:
      overflows = __builtin_sub_overflow(a, b, &result);
      break;
    case BinaryOp::kMultiply:
      overflows = __builtin_mul_overflow(a, b, &result);
      break;
    case BinaryOp::kPower:
      return IntegerPower(a, b);
    case BinaryOp::kDivide:
      if (b == 0) return Fault("division by zero");
      return Value(double(a) / double(b));
    case BinaryOp::kFloorDivide:
    case BinaryOp::kModulo: {
      if (b == 0) return Fault("integer division or modulo by zero");
      if (b == -1) {  // the one divisor whose quotient can overflow
        if (op == BinaryOp::kModulo) return Value(int64_t{0});
        overflows = __builtin_sub_overflow(int64_t{0}, a, &result);
        break;
      }
      int64_t quotient = a / b;
      int64_t remainder = a % b;
      if (remainder != 0 && (remainder < 0) != (b < 0)) {  // Python rounds down
        --quotient;
        remainder += b;
      }
      result = op == BinaryOp::kModulo ? remainder : quotient;
      break;
    }
  }
  if (overflows) return Fault("the result of {} does not fit 64 bits", Symbol(op));
  return Value(result);
}

absl::StatusOr<Value> FloatArithmetic(BinaryOp op, double a, double b) {
  switch (op) {
    case BinaryOp::kAdd:
      return Value(a + b);
    case BinaryOp::kSubtract:
      return Value(a - b);
    case BinaryOp::kMultiply:
      return Value(a * b);
    case BinaryOp::kPower:
      return Value(std::pow(a, b));
    default:
      break;
  }
  if (b == 0) return Fault("float division by zero");
  if (op == BinaryOp::kDivide) return Value(a / b);
  if (op == BinaryOp::kFloorDivide) return Value(std::floor(a / b));
  const double remainder = std::fmod(a, b);
  return Value(remainder != 0 && (remainder < 0) != (b < 0) ? remainder + b : remainder);
}

// "ab" * 3, [0] * 3
Value Repeat(Runtime& runtime, const Value& sequence, int64_t times) {
  if (sequence.is_string()) {
    Text text;
    for (int64_t i = 0; i < times && runtime.Append(text, sequence.text()); ++i) {
      if (sequence.text().empty()) break;
    }
    return runtime.NewString(std::move(text));
  }
  const List& list = sequence.list();
  std::vector<Value> items;
  for (int64_t i = 0; i < times && !list.items.empty(); ++i) {
    if (!runtime.Memory(list.items.size() * sizeof(Value))) break;
    items.insert(items.end(), list.items.begin(), list.items.end());
  }
  return runtime.NewList(std::move(items), list.is_tuple);
}

}  // namespace

bool IsTruthy(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
      return value.as_bool();
    case Kind::kInt:
      return value.integer() != 0;
    case Kind::kFloat:
      return value.number() != 0;
    case Kind::kString:
      return !value.text().empty();
    case Kind::kList:
      return !value.list().items.empty();
    case Kind::kDict:
      return !value.dict().items.empty();
    case Kind::kObject:
      return true;
  }
  return false;
}

bool Equal(Runtime& runtime, const Value& a, const Value& b) { return EqualAt(runtime, a, b, 0); }

absl::StatusOr<bool> Less(Runtime& runtime, const Value& a, const Value& b) {
  return LessAt(runtime, a, b, 0);
}

absl::StatusOr<bool> Contains(Runtime& runtime, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::kUndefined:
      return false;
    case Kind::kString:
      if (!item.is_string()) {
        return Fault("'in <string>' requires string as left operand, not {}", TypeName(item));
      }
      runtime.Memory(container.text().size());
      return container.text().bytes().find(item.text().bytes()) != std::string::npos;
    case Kind::kList: {
      const auto& items = container.list().items;
      return std::any_of(items.begin(), items.end(),
                         [&](const Value& other) { return Equal(runtime, other, item); });
    }
    case Kind::kDict:
      return container.dict().Find(runtime, item) != nullptr;
    default:
      return Fault("argument of type '{}' is not iterable", TypeName(container));
  }
}

absl::StatusOr<Value> Arithmetic(Runtime& runtime, BinaryOp op, const Value& a, const Value& b) {
  if (a.is_integral() && b.is_integral()) return IntegerArithmetic(op, a.integer(), b.integer());
  if (a.is_number() && b.is_number()) return FloatArithmetic(op, a.number(), b.number());
  if (op == BinaryOp::kAdd && a.is_string() && b.is_string()) return Concatenate(runtime, a, b);
  if (op == BinaryOp::kAdd && a.is_list() && b.is_list() &&
      a.list().is_tuple == b.list().is_tuple) {
    std::vector<Value> items;
    if (runtime.Memory((a.list().items.size() + b.list().items.size()) * sizeof(Value))) {
      items = a.list().items;
      items.insert(items.end(), b.list().items.begin(), b.list().items.end());
    }
    return runtime.NewList(std::move(items), a.list().is_tuple);
  }
  if (op == BinaryOp::kMultiply) {
    if ((a.is_string() || a.is_list()) && b.is_integral()) return Repeat(runtime, a, b.integer());
    if ((b.is_string() || b.is_list()) && a.is_integral()) return Repeat(runtime, b, a.integer());
  }
  if (op == BinaryOp::kModulo && a.is_string()) return PercentFormat(runtime, a.text(), b);
  return NoSuchOperation(op, a, b);
}

absl::StatusOr<Value> Negate(const Value& value) {
  if (value.kind() == Kind::kFloat) return Value(-value.number());
  if (value.is_integral()) {
    return IntegerArithmetic(BinaryOp::kSubtract, 0, value.integer());
  }
  if (value.is_undefined()) return Fault("{}", value.reason());
  return Fault("bad operand type for unary -: '{}'", TypeName(value));
}

absl::StatusOr<bool> CompareBy(Runtime& runtime, CompareOp op, const Value& a, const Value& b) {
  switch (op) {
    case CompareOp::kEqual:
      return Equal(runtime, a, b);
    case CompareOp::kNotEqual:
      return !Equal(runtime, a, b);
    case CompareOp::kLess:
      return Less(runtime, a, b);
    case CompareOp::kGreater:
      return Less(runtime, b, a);
    case CompareOp::kLessEqual:
    case CompareOp::kGreaterEqual: {
      const bool swapped = op == CompareOp::kGreaterEqual;
      SY_ASSIGN_OR_RETURN(const bool less, swapped ? Less(runtime, b, a) : Less(runtime, a, b));
      return less || Equal(runtime, a, b);
    }
    case CompareOp::kIn:
      return Contains(runtime, b, a);
    case CompareOp::kNotIn: {
      SY_ASSIGN_OR_RETURN(const bool contains, Contains(runtime, b, a));
      return !contains;
    }
  }
  return false;
}

Value Concatenate(Runtime& runtime, const Value& a, const Value& b) {
  Text text;
  AppendStr(runtime, text, a);
  AppendStr(runtime, text, b);
  return runtime.NewString(std::move(text));
}

}  // namespace switchyard::text::jinja
