// The text of a message's content, whose parts each dialect calls in its own way, and the thoughts
// beside it.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_CONTENT_TEXT_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_CONTENT_TEXT_H_

#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/status.h"

namespace switchyard::gateway {

// What parts of text are called. That of a "refusal", of a former answer, stands in a field of that
// name, that of others in `text`.
using PartTypes = std::span<const std::string_view>;

// The text of a part. INVALID_ARGUMENT with `where` as param for anything else.
absl::StatusOr<std::string> PartText(const Json& part, const std::string& where, PartTypes types);

// A string, or the texts of a list of parts, joined without a separator, as chat templates that
// take parts do it. INVALID_ARGUMENT as above, of "`where`[i]" for the i-th part.
absl::StatusOr<std::string> ContentText(const Json& content, const std::string& where,
                                        PartTypes types);

// Adds thoughts to the assistant's message that they led to, where templates look for them:
// `reasoning_content`, a line for each. Empty ones are none.
void AddThoughts(const std::string& thoughts, Json* message);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_CONTENT_TEXT_H_
