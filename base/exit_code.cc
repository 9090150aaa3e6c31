#include "base/exit_code.h"

#include <unistd.h>

#include <cstdio>

namespace switchyard {

int ExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return kExitOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return kExitUsage;
    case absl::StatusCode::kNotFound:
      return kExitNotFound;
    case absl::StatusCode::kUnimplemented:
      return kExitUnsupported;
    case absl::StatusCode::kResourceExhausted:
    case absl::StatusCode::kPermissionDenied:
      return kExitResources;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kDeadlineExceeded:
      return kExitLost;
    case absl::StatusCode::kCancelled:
      return kExitCancelled;
    default:
      return kExitBug;
  }
}

absl::Status StatusOfExitCode(int exit_code, std::string_view message) {
  const auto make = [&](absl::StatusCode code) {
    return absl::Status(code, absl::string_view(message.data(), message.size()));
  };
  switch (exit_code) {
    case kExitUsage:
      return make(absl::StatusCode::kInvalidArgument);
    case kExitNotFound:
      return make(absl::StatusCode::kNotFound);
    case kExitUnsupported:
      return make(absl::StatusCode::kUnimplemented);
    case kExitResources:
      return make(absl::StatusCode::kResourceExhausted);
    case kExitLost:
      return make(absl::StatusCode::kUnavailable);
    case kExitCancelled:
      return make(absl::StatusCode::kCancelled);
    default:
      return make(absl::StatusCode::kInternal);
  }
}

int ReportAndExitCode(std::string_view program, const absl::Status& status) {
  if (!status.ok()) {
    const bool color = isatty(STDERR_FILENO) != 0;
    std::fprintf(stderr, "%s%.*s: %.*s%s\n", color ? "\033[31m" : "", int(program.size()),
                 program.data(), int(status.message().size()), status.message().data(),
                 color ? "\033[0m" : "");
  }
  return ExitCode(status);
}

}  // namespace switchyard
