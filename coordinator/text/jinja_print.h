// Values as text: Python's str() and repr(), and transformers' tojson.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_PRINT_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_PRINT_H_

#include <string>

#include "coordinator/text/jinja_runtime.h"
#include "coordinator/text/jinja_value.h"

namespace switchyard::text::jinja {

// Python's str(): what {{ value }} writes. A string is itself, something undefined is empty.
Text Str(Runtime& runtime, const Value& value);
// The same as a value; a string is not copied.
Value ToStringValue(Runtime& runtime, const Value& value);
// Appends it to a text that is being made.
void AppendStr(Runtime& runtime, Text& text, const Value& value);

// Python's repr(): strings quoted.
Text Repr(Runtime& runtime, const Value& value);

// Python's repr of a float: the shortest digits that read back the same; 1.0, 1e-05, 1e+16, inf,
// nan.
std::string FloatRepr(double value);

// Python's json.dumps. Nothing is escaped for HTML.
struct JsonStyle {
  Text indent;               // of one level
  bool is_indented = false;  // one item a line
  Text item_separator{", "};
  Text key_separator{": "};
  bool ensure_ascii = false;
  bool sort_keys = false;
};
absl::StatusOr<Value> ToJson(Runtime& runtime, const Value& value, const JsonStyle& style);

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_PRINT_H_
