// JSON from outside, read with limits.
#ifndef SWITCHYARD_BASE_JSON_H_
#define SWITCHYARD_BASE_JSON_H_

#include <nlohmann/json.hpp>
#include <string_view>

#include "base/status.h"

namespace switchyard {

using Json = nlohmann::ordered_json;

inline constexpr int kMaxJsonDepth = 128;

// Parses `text`. INVALID_ARGUMENT for malformed text, text after the value, nesting deeper than
// `max_depth`, or an object with the same key twice; the message names byte and reason. Invalid
// UTF-8 is malformed.
absl::StatusOr<Json> ParseJson(std::string_view text, int max_depth = kMaxJsonDepth);

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_JSON_H_
