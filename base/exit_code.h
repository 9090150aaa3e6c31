// How a program of ours ends: a number by kind of fault, the same in every command
// (docs/exit-codes.md lists them).
#ifndef SWITCHYARD_BASE_EXIT_CODE_H_
#define SWITCHYARD_BASE_EXIT_CODE_H_

#include "base/status.h"

namespace switchyard {

inline constexpr int kExitOk = 0;
inline constexpr int kExitBug = 1;          // a fault of ours
inline constexpr int kExitUsage = 2;        // flags or input are wrong
inline constexpr int kExitNotFound = 3;     // a file or model is missing
inline constexpr int kExitUnsupported = 4;  // a model or format that Switchyard does not know
inline constexpr int kExitResources = 5;    // memory, disk, port or permission
inline constexpr int kExitLost = 6;         // a peer was lost, did not answer, or a deadline passed
inline constexpr int kExitCancelled = 130;  // ended by Ctrl-C

int ExitCode(const absl::Status& status);

// A status that ends a program with the same code as a child of it that ended with `exit_code` (not
// kExitOk).
absl::Status StatusOfExitCode(int exit_code, std::string_view message);

// Prints "PROGRAM: message" to stderr, in red on a terminal, unless the status is OK. Returns the
// exit code.
int ReportAndExitCode(std::string_view program, const absl::Status& status);

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_EXIT_CODE_H_
