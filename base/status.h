// absl::Status for everything that bad input or the outside world can cause. A message says what,
// where and what to do; it is made with fmt::format.
#ifndef SWITCHYARD_BASE_STATUS_H_
#define SWITCHYARD_BASE_STATUS_H_

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <fmt/format.h>

#include <string_view>
#include <utility>

namespace switchyard {

// The message as a standard view (packaged Abseil may have a string_view type of its own).
inline std::string_view Message(const absl::Status& status) {
  return {status.message().data(), status.message().size()};
}

// The same code, with `context` and ": " before the message. An OK status stays OK.
inline absl::Status Annotate(const absl::Status& status, std::string_view context) {
  if (status.ok()) return status;
  return absl::Status(status.code(), fmt::format("{}: {}", context, Message(status)));
}

}  // namespace switchyard

#define SY_STATUS_CONCAT_INNER(a, b) a##b
#define SY_STATUS_CONCAT(a, b) SY_STATUS_CONCAT_INNER(a, b)

// Returns the status from the enclosing function unless it is OK.
#define SY_RETURN_IF_ERROR(expression)     \
  do {                                     \
    absl::Status sy_status = (expression); \
    if (!sy_status.ok()) return sy_status; \
  } while (false)

// SY_ASSIGN_OR_RETURN(auto value, FunctionReturningStatusOr());
#define SY_ASSIGN_OR_RETURN(declaration, expression) \
  SY_ASSIGN_OR_RETURN_IMPL(SY_STATUS_CONCAT(sy_statusor_, __LINE__), declaration, expression)
#define SY_ASSIGN_OR_RETURN_IMPL(temporary, declaration, expression) \
  auto temporary = (expression);                                     \
  if (!temporary.ok()) return std::move(temporary).status();         \
  declaration = std::move(temporary).value()

#endif  // SWITCHYARD_BASE_STATUS_H_
