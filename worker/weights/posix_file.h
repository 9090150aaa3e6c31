// A regular file, read and written at absolute offsets by any number of threads at once. Errors
// name path and offset.
#ifndef SWITCHYARD_WORKER_WEIGHTS_POSIX_FILE_H_
#define SWITCHYARD_WORKER_WEIGHTS_POSIX_FILE_H_

#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/status.h"

namespace switchyard::worker {

class PosixFile {
 public:
  // NOT_FOUND if missing, INVALID_ARGUMENT if it is not a regular file. Symbolic links are
  // followed.
  static absl::StatusOr<PosixFile> OpenForRead(const std::string& path);
  // The same file, past the page cache: offsets, lengths and memory of reads are multiples of
  // kDirectBlock (read_plan.h). INVALID_ARGUMENT where its file system cannot.
  static absl::StatusOr<PosixFile> OpenDirect(const std::string& path);
  // ALREADY_EXISTS if there is something at `path`.
  static absl::StatusOr<PosixFile> Create(const std::string& path);
  // An empty file, over whatever was at `path`, that this process alone writes: UNAVAILABLE if
  // another has it so. The lock ends with the file or the process.
  static absl::StatusOr<PosixFile> CreateLocked(const std::string& path);

  PosixFile(PosixFile&& other) noexcept;
  PosixFile& operator=(PosixFile&& other) noexcept;
  ~PosixFile();

  const std::string& path() const { return path_; }
  // Size when it was opened.
  int64_t num_bytes() const { return num_bytes_; }
  // When its bytes were last changed, in ns of the system's clock, as it was opened.
  int64_t changed_ns() const { return changed_ns_; }
  int fd() const { return fd_; }
  // Its size now; -1 if the system does not tell.
  int64_t CurrentBytes() const;

  // DATA_LOSS if its size or its time of change is not what it was when it was opened.
  absl::Status CheckUnchanged() const;
  // Most of these bytes are in the page cache. False where the system does not tell this process.
  bool IsCached(int64_t offset, int64_t num_bytes) const;

  // Reads until `out` is full. DATA_LOSS if the file ends before that: it was cut after it was
  // opened.
  absl::Status ReadAt(int64_t offset, std::span<std::byte> out) const;
  // The same for one stretch of the file that goes to several places. `parts` (at most IOV_MAX,
  // none empty) is used up.
  absl::Status ReadAt(int64_t offset, std::span<iovec> parts) const;

  // RESOURCE_EXHAUSTED if the disk is full.
  absl::Status WriteAt(int64_t offset, std::span<const std::byte> bytes) const;
  // Claims the disk space of the first `num_bytes` where the file system can, so that a full disk
  // shows before the work.
  absl::Status Reserve(int64_t num_bytes) const;
  // Makes the file `num_bytes` long without claiming disk space: what is not written reads as
  // zeros.
  absl::Status Resize(int64_t num_bytes) const;
  // Returns when what was written is on the disk.
  absl::Status Sync() const;
  // Gives it another name in its folder, over a file that has it, and returns when the disk knows.
  absl::Status RenameTo(const std::string& path);
  // Closes and reports what the file system had not told before. The file is not used after it.
  absl::Status Close();

 private:
  static absl::StatusOr<PosixFile> Open(const std::string& path, int flags);
  PosixFile(std::string path, int fd, int64_t num_bytes)
      : path_(std::move(path)), fd_(fd), num_bytes_(num_bytes) {}

  std::string path_;
  int fd_ = -1;
  int64_t num_bytes_ = 0;
  int64_t changed_ns_ = 0;  // time of its last change
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_POSIX_FILE_H_
