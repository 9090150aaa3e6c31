// Whole small files in and out of memory.
#ifndef SWITCHYARD_BASE_FILE_H_
#define SWITCHYARD_BASE_FILE_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/status.h"

namespace switchyard {

// What errno says of a system call that failed on `path`: "PATH: cannot WHAT: ..." with the code of
// its kind.
absl::Status ErrnoStatus(const std::string& path, std::string_view what);

// The file's bytes. NOT_FOUND if it is missing, INVALID_ARGUMENT if it is larger than `max_bytes`
// or no regular file (a pipe is not waited for), both with the path in the message.
absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes);

// Writes `bytes` beside `path` and renames into place, so that a reader sees the old file or the
// whole new one. INVALID_ARGUMENT if a folder, a device or a pipe stands there: it would be gone.
absl::Status WriteFile(const std::string& path, std::string_view bytes);

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_FILE_H_
