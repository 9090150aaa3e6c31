// Which field of a request an error is about. It travels with the status from whoever found the
// fault to whoever answers, and is lost where a status is made anew (Annotate).
#ifndef SWITCHYARD_BASE_FIELD_ERROR_H_
#define SWITCHYARD_BASE_FIELD_ERROR_H_

#include <absl/status/status.h>
#include <absl/strings/cord.h>

#include <string>
#include <string_view>

#include "base/check.h"

namespace switchyard {

inline constexpr char kFieldUrl[] = "switchyard.v1/param";

// The same status, about `field`. REQUIRES: !status.ok().
inline absl::Status AboutField(absl::Status status, std::string_view field) {
  SY_CHECK(!status.ok());
  status.SetPayload(kFieldUrl, absl::Cord(std::string(field)));
  return status;
}

// Empty: no field is known.
inline std::string FieldOf(const absl::Status& status) {
  const auto field = status.GetPayload(kFieldUrl);
  return field ? std::string(*field) : std::string();
}

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_FIELD_ERROR_H_
