// How a program of ours ends: a number by kind of fault, the same in every command
// (docs/exit-codes.md lists them).
#ifndef SWITCHYARD_BASE_EXIT_CODE_H_
#define SWITCHYARD_BASE_EXIT_CODE_H_

#include <string>
#include <string_view>

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
// kExitOk). 128 + signal: the signal ended it; one that comes from outside makes it lost.
absl::Status StatusOfExitCode(int exit_code, std::string_view message);

// `text` with its control characters escaped: names from files and from the network may hold line
// breaks and what terminals obey.
std::string OneLine(std::string_view text);

// Whether stderr is a terminal whose user has not declined colours (NO_COLOR, TERM=dumb).
bool StderrHasColor();

// For std::set_new_handler: says that there is no memory and ends the process with kExitResources.
[[noreturn]] void ExitOutOfMemory();

// Names, in the environment, the descriptor of a pipe to a parent that tells our faults itself.
inline constexpr char kFaultFdVariable[] = "SWITCHYARD_FAULT_FD";
inline constexpr size_t kMaxFaultBytes = 4096;  // what a pipe takes without a reader, at once

// Prints "PROGRAM: message" in one line to stderr, in red where it has colours, unless the status
// is OK; where a parent wants to tell it, hands it the message instead. Returns the exit code.
int ReportAndExitCode(std::string_view program, const absl::Status& status);

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_EXIT_CODE_H_
