// Python's ways to format: "%s has %d" % (name, count), and "{} has {}".format(name, count).
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_FORMAT_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_FORMAT_H_

#include "coordinator/text/jinja_runtime.h"
#include "coordinator/text/jinja_value.h"

namespace switchyard::text::jinja {

// `arguments`: a tuple of values, a dict for %(name)s, or the only value. Conversions: s r d i x X
// o e f g (and capitals) and %%, with flags, width and precision up to 1000.
absl::StatusOr<Value> PercentFormat(Runtime& runtime, const Text& format, const Value& arguments);

// "{} has {count}".format(...): fields by order, number or name, without format specifications.
absl::StatusOr<Value> BraceFormat(Runtime& runtime, const Text& format, const Args& arguments);

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_FORMAT_H_
