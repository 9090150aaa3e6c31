// What another dialect calls the fields that a chat request has, for errors: requests of all
// dialects are checked as chat requests.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_FIELD_NAMES_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_FIELD_NAMES_H_

#include <span>
#include <string>
#include <string_view>

#include "base/status.h"

namespace switchyard::gateway {

// Of two names that fit, the first in a list counts.
struct FieldName {
  std::string_view chat;
  std::string_view here;
};

// `status` in the words of the dialect: its param, and what its message has in quotes ('stop',
// 'messages[1].content'). REQUIRES: !status.ok().
absl::Status InWordsOf(std::span<const FieldName> names, const absl::Status& status);
// The same of one field, or something within it.
std::string InWordsOf(std::span<const FieldName> names, const std::string& field);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_FIELD_NAMES_H_
