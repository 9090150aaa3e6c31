// Getting at the parts of values, by Jinja's rules: object.name asks for a method or attribute
// before a dict's key, object[key] the other way round; what is not there is undefined, and to ask
// anything of what is undefined is an error.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_ACCESS_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_ACCESS_H_

#include <string_view>
#include <vector>

#include "coordinator/text/jinja_runtime.h"
#include "coordinator/text/jinja_value.h"

namespace switchyard::text::jinja {

absl::StatusOr<Value> GetAttribute(Runtime& runtime, const Value& object, std::string_view name);
absl::StatusOr<Value> GetItem(Runtime& runtime, const Value& object, const Value& key);

// object[start:stop:step] of a string or list; an undefined or None bound is one that was left out.
struct SliceBounds {
  Value start, stop, step;
};
absl::StatusOr<Value> GetSlice(Runtime& runtime, const Value& object, const SliceBounds& bounds);

// What a loop over `value` sees: items, keys, characters; nothing if it is undefined.
absl::StatusOr<std::vector<Value>> Iterate(Runtime& runtime, const Value& value);

// Python's len().
absl::StatusOr<int64_t> Length(Runtime& runtime, const Value& value);

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_ACCESS_H_
