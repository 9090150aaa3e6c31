#include "base/file.h"

#include <fcntl.h>
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

// O_NONBLOCK: opening a pipe by mistake must not wait for its writer.
File OpenForRead(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  return File(fd < 0 ? nullptr : fdopen(fd, "rb"));
}

}  // namespace

absl::Status ErrnoStatus(const std::string& path, std::string_view what) {
  const int error = errno;
  const std::string message = fmt::format("{}: cannot {}: {}", path, what, std::strerror(error));
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(message);
    case EEXIST:
      return absl::AlreadyExistsError(message);
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
      return absl::InvalidArgumentError(message);
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(message);
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
      return absl::ResourceExhaustedError(message);
    default:
      return absl::UnavailableError(message);
  }
}

absl::StatusOr<std::string> ReadFile(const std::string& path, int64_t max_bytes) {
  const File file = OpenForRead(path);
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
    if (std::ferror(file.get())) return ErrnoStatus(path, "read");
    return absl::DataLossError(fmt::format("{}: was cut while it was read", path));
  }
  return bytes;
}

absl::Status WriteFile(const std::string& path, std::string_view bytes) {
  struct stat info;
  if (stat(path.c_str(), &info) == 0 && !S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        fmt::format("{}: is there and no regular file: it is not replaced", path));
  }
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
