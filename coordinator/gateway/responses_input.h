// Items of the Responses API as chat messages.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_INPUT_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_INPUT_H_

#include "base/json.h"
#include "base/status.h"

namespace switchyard::gateway {

// The field `input` as a list of items: a string is a user's message. Items get the type and the id
// that they lack. INVALID_ARGUMENT, with param, if it is anything else.
absl::StatusOr<Json> ReadInputItems(const Json& input);

// Adds the messages that `items` mean; thoughts go with the assistant's message that follows them,
// and are left out where none does. INVALID_ARGUMENT naming the item for kinds that are not
// supported (images, files, references) and for those that lack something.
absl::Status AddMessages(const Json& items, Json* messages);

// INVALID_ARGUMENT naming the first call whose arguments are no JSON, as those of an answer that
// was cut: for models whose template takes them as values.
absl::Status CheckCallArguments(const Json& items);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_INPUT_H_
