#include "base/exit_code.h"

#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <system_error>

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
    // Ended from outside, by a person or for want of memory.
    case 128 + SIGKILL:
    case 128 + SIGTERM:
    case 128 + SIGHUP:
      return make(absl::StatusCode::kUnavailable);
    case kExitCancelled:
      return make(absl::StatusCode::kCancelled);
    default:
      return make(absl::StatusCode::kInternal);
  }
}

std::string OneLine(std::string_view text) {
  std::string line;
  for (const char c : text) {
    if (c == '\n') {
      line += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      line += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    } else {
      line += c;
    }
  }
  return line;
}

bool StderrHasColor() {
  const auto value_of = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string_view(value == nullptr ? "" : value);
  };
  return isatty(STDERR_FILENO) != 0 && value_of("NO_COLOR").empty() && value_of("TERM") != "dumb";
}

void ExitOutOfMemory() {
  // Nothing here may ask for memory.
  constexpr std::string_view kMessage =
      ": out of memory; use a smaller batch or model, more ranks, or a machine with more\n";
  const std::string_view program = program_invocation_short_name;
  for (const std::string_view part : {program, kMessage}) {
    if (write(STDERR_FILENO, part.data(), part.size()) < 0) break;
  }
  _exit(kExitResources);
}

namespace {

// False where no parent wants to hear it.
bool TellParent(std::string_view message) {
  const char* const value = std::getenv(kFaultFdVariable);
  if (value == nullptr) return false;
  int fd = -1;
  const std::string_view text = value;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), fd);
  if (error != std::errc() || end != text.data() + text.size() || fd < 0) return false;
  message = message.substr(0, kMaxFaultBytes);
  return write(fd, message.data(), message.size()) == static_cast<ssize_t>(message.size());
}

}  // namespace

int ReportAndExitCode(std::string_view program, const absl::Status& status) {
  if (const std::string line = OneLine(Message(status)); !status.ok() && !TellParent(line)) {
    const bool color = StderrHasColor();
    std::fprintf(stderr, "%s%.*s: %s%s\n", color ? "\033[31m" : "", int(program.size()),
                 program.data(), line.c_str(), color ? "\033[0m" : "");
  }
  return ExitCode(status);
}

}  // namespace switchyard
