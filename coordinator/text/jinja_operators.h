// What Python's operators do to values, with Python's messages where they do nothing.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_OPERATORS_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_OPERATORS_H_

#include "coordinator/text/jinja_ast.h"
#include "coordinator/text/jinja_runtime.h"
#include "coordinator/text/jinja_value.h"

namespace switchyard::text::jinja {

// Python's bool().
bool IsTruthy(const Value& value);

// Never an error: values of different kinds are unequal, but 1 == 1.0 == true.
bool Equal(Runtime& runtime, const Value& a, const Value& b);
// a < b. Numbers, strings and lists have an order, each among themselves.
absl::StatusOr<bool> Less(Runtime& runtime, const Value& a, const Value& b);
absl::StatusOr<bool> Contains(Runtime& runtime, const Value& container, const Value& item);

// Integers are 64 bits wide; a result beyond is an error.
absl::StatusOr<Value> Arithmetic(Runtime& runtime, BinaryOp op, const Value& a, const Value& b);
absl::StatusOr<Value> Negate(const Value& value);
absl::StatusOr<bool> CompareBy(Runtime& runtime, CompareOp op, const Value& a, const Value& b);

// Both as text, one after the other: the operator ~.
Value Concatenate(Runtime& runtime, const Value& a, const Value& b);

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_OPERATORS_H_
