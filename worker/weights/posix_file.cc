#include "worker/weights/posix_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include "base/file.h"

namespace switchyard::worker {
namespace {

absl::Status CutStatus(const std::string& path, int64_t offset) {
  return absl::DataLossError(
      fmt::format("{}: ends at byte {}, it was cut while it was read", path, offset));
}

int64_t ChangedNs(const struct stat& info) {
  return int64_t{info.st_mtim.tv_sec} * 1'000'000'000 + info.st_mtim.tv_nsec;
}

// Takes the first `num_bytes` off `parts`.
std::span<iovec> Advance(std::span<iovec> parts, size_t num_bytes) {
  while (!parts.empty() && num_bytes >= parts.front().iov_len) {
    num_bytes -= parts.front().iov_len;
    parts = parts.subspan(1);
  }
  if (num_bytes > 0) {
    parts.front().iov_base = static_cast<char*>(parts.front().iov_base) + num_bytes;
    parts.front().iov_len -= num_bytes;
  }
  return parts;
}

}  // namespace

absl::StatusOr<PosixFile> PosixFile::OpenForRead(const std::string& path) { return Open(path, 0); }

absl::StatusOr<PosixFile> PosixFile::OpenDirect(const std::string& path) {
  return Open(path, O_DIRECT);
}

absl::StatusOr<PosixFile> PosixFile::Open(const std::string& path, int flags) {
  // O_NONBLOCK: opening a pipe by mistake must not wait for its writer.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags);
  if (fd < 0) return ErrnoStatus(path, "open");
  PosixFile file(path, fd, 0);
  struct stat info;
  if (fstat(fd, &info) != 0) return ErrnoStatus(path, "stat");
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(fmt::format("{}: not a regular file", path));
  }
  file.num_bytes_ = info.st_size;
  file.changed_ns_ = ChangedNs(info);
  return file;
}

absl::StatusOr<PosixFile> PosixFile::Create(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) return ErrnoStatus(path, "create");
  return PosixFile(path, fd, 0);
}

absl::StatusOr<PosixFile> PosixFile::CreateLocked(const std::string& path) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return ErrnoStatus(path, "create");
  PosixFile file(path, fd, 0);
  // The one that had it may have given it its final name meanwhile: it is then no longer at `path`.
  struct stat opened, named;
  const bool locked = flock(fd, LOCK_EX | LOCK_NB) == 0;
  if (!locked || fstat(fd, &opened) != 0 || stat(path.c_str(), &named) != 0 ||
      opened.st_ino != named.st_ino || opened.st_dev != named.st_dev) {
    return absl::UnavailableError(fmt::format("{}: another process writes it", path));
  }
  SY_RETURN_IF_ERROR(file.Resize(0));
  return file;
}

PosixFile::PosixFile(PosixFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      num_bytes_(other.num_bytes_),
      changed_ns_(other.changed_ns_) {}

PosixFile& PosixFile::operator=(PosixFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(num_bytes_, other.num_bytes_);
  std::swap(changed_ns_, other.changed_ns_);
  return *this;
}

PosixFile::~PosixFile() {
  if (fd_ >= 0) close(fd_);
}

int64_t PosixFile::CurrentBytes() const {
  struct stat info;
  return fstat(fd_, &info) == 0 ? int64_t{info.st_size} : -1;
}

absl::Status PosixFile::CheckUnchanged() const {
  struct stat info;
  if (fstat(fd_, &info) != 0) return ErrnoStatus(path_, "stat");
  if (info.st_size == num_bytes_ && ChangedNs(info) == changed_ns_) return absl::OkStatus();
  return absl::DataLossError(
      fmt::format("{}: was changed while it was read: it had {} bytes and has {}", path_,
                  num_bytes_, int64_t{info.st_size}));
}

bool PosixFile::IsCached(int64_t offset, int64_t num_bytes) const {
  // To those who may not change a file the kernel says that all of it is cached.
  struct stat info;
  if (fstat(fd_, &info) != 0) return false;
  if (info.st_uid != geteuid() && access(path_.c_str(), W_OK) != 0) return false;
  const int64_t page = sysconf(_SC_PAGESIZE);
  const int64_t begin = offset / page * page;
  const auto length = static_cast<size_t>(std::min(offset + num_bytes, num_bytes_) - begin);
  void* const view = mmap(nullptr, length, PROT_READ, MAP_SHARED, fd_, begin);
  if (view == MAP_FAILED) return false;
  std::vector<unsigned char> pages((length + size_t(page) - 1) / size_t(page));
  const bool known = mincore(view, length, pages.data()) == 0;
  munmap(view, length);
  const auto cached = std::ranges::count_if(pages, [](unsigned char flags) { return flags & 1; });
  return known && 2 * cached > std::ssize(pages);
}

absl::Status PosixFile::ReadAt(int64_t offset, std::span<std::byte> out) const {
  if (out.empty()) return absl::OkStatus();
  iovec part{out.data(), out.size()};
  return ReadAt(offset, std::span<iovec>(&part, 1));
}

absl::Status PosixFile::ReadAt(int64_t offset, std::span<iovec> parts) const {
  while (!parts.empty()) {
    const ssize_t count = preadv(fd_, parts.data(), int(parts.size()), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(path_, fmt::format("read at byte {}", offset));
    if (count == 0) return CutStatus(path_, offset);
    offset += count;
    parts = Advance(parts, size_t(count));
  }
  return absl::OkStatus();
}

absl::Status PosixFile::WriteAt(int64_t offset, std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = pwrite(fd_, bytes.data(), bytes.size(), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return ErrnoStatus(path_, fmt::format("write at byte {}", offset));
    offset += count;
    bytes = bytes.subspan(size_t(count));
  }
  return absl::OkStatus();
}

absl::Status PosixFile::Reserve(int64_t num_bytes) const {
  if (num_bytes == 0 || fallocate(fd_, 0, 0, num_bytes) == 0) return absl::OkStatus();
  if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EINTR) return absl::OkStatus();
  return ErrnoStatus(path_, fmt::format("reserve {} bytes", num_bytes));
}

absl::Status PosixFile::Resize(int64_t num_bytes) const {
  if (ftruncate(fd_, num_bytes) == 0) return absl::OkStatus();
  return ErrnoStatus(path_, fmt::format("resize to {} bytes", num_bytes));
}

absl::Status PosixFile::Sync() const {
  return fsync(fd_) == 0 ? absl::OkStatus() : ErrnoStatus(path_, "sync");
}

absl::Status PosixFile::RenameTo(const std::string& path) {
  if (rename(path_.c_str(), path.c_str()) != 0) return ErrnoStatus(path, "rename");
  path_ = path;
  const std::string folder = path.substr(0, path.rfind('/') + 1);
  const int fd = open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(folder, "open");
  const bool synced = fsync(fd) == 0;
  close(fd);
  return synced ? absl::OkStatus() : ErrnoStatus(folder, "sync");
}

absl::Status PosixFile::Close() {
  if (close(std::exchange(fd_, -1)) != 0) return ErrnoStatus(path_, "close");
  return absl::OkStatus();
}

}  // namespace switchyard::worker
