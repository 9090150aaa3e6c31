#include "base/file.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/units.h"

namespace switchyard {
namespace {

struct FileCloser {
  void operator()(std::FILE* file) const { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, FileCloser>;

absl::Status ErrnoStatus(const std::string& path, const char* what) {
  const std::string message = fmt::format("{}: cannot {}: {}", path, what, std::strerror(errno));
  switch (errno) {
    case ENOENT:
      return absl::NotFoundError(message);
    case EACCES:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes) {
  File file(std::fopen(path.c_str(), "rb"));
  if (!file) return ErrnoStatus(path, "open");
  struct stat info;
  if (fstat(fileno(file.get()), &info) != 0) return ErrnoStatus(path, "stat");
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(fmt::format("{}: not a regular file", path));
  }
  if (info.st_size > max_bytes) {
    return absl::InvalidArgumentError(fmt::format("{}: {}, more than the limit of {}", path,
                                                  FormatBytes(info.st_size),
                                                  FormatBytes(max_bytes)));
  }
  std::string bytes(info.st_size, '\0');
  if (std::fread(bytes.data(), 1, bytes.size(), file.get()) != bytes.size()) {
    return ErrnoStatus(path, "read");
  }
  return bytes;
}

absl::Status WriteFile(const std::string& path, std::string_view bytes) {
  const std::string partial = path + ".partial";
  File file(std::fopen(partial.c_str(), "wb"));
  if (!file) return ErrnoStatus(partial, "create");
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size() &&
                       std::fflush(file.get()) == 0;
  absl::Status status = written ? absl::OkStatus() : ErrnoStatus(partial, "write");
  file.reset();
  if (status.ok() && std::rename(partial.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(path, "rename");
  }
  if (!status.ok()) std::remove(partial.c_str());
  return status;
}

}  // namespace switchyard
