// Source of a chat template to its tree.
#ifndef SWITCHYARD_COORDINATOR_TEXT_JINJA_PARSER_H_
#define SWITCHYARD_COORDINATOR_TEXT_JINJA_PARSER_H_

#include <string_view>

#include "coordinator/text/jinja_ast.h"

namespace switchyard::text::jinja {

inline constexpr size_t kMaxSourceBytes = 1 << 20;

// INVALID_ARGUMENT, with the line, for a syntax error, an unknown tag, filter or test, or a source
// that is too long or nested too deeply.
absl::StatusOr<Block> ParseTemplate(std::string_view source);

}  // namespace switchyard::text::jinja

#endif  // SWITCHYARD_COORDINATOR_TEXT_JINJA_PARSER_H_
