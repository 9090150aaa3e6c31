// Walks the tree of a template and writes its output.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_EVAL_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_EVAL_H_

#include <string_view>
#include <utility>
#include <vector>

#include "coordinator/text/jinja_ast.h"
#include "coordinator/text/jinja_runtime.h"

namespace switchyard::text::jinja {

// The output of `block` with these variables, whose names and values stay the caller's.
// INVALID_ARGUMENT: what the template raised by raise_exception, in its own words; or a fault, with
// its line. RESOURCE_EXHAUSTED: a limit of `runtime`. A runtime serves one call.
absl::StatusOr<Text> Evaluate(Runtime& runtime, const Block& block,
                              const std::vector<std::pair<std::string_view, Value>>& variables);

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_EVAL_H_
