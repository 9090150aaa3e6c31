// A file in memory as it is on the disk: nothing is copied.
#ifndef SWITCHYARD_WORKER_WEIGHTS_MAPPED_FILE_H_
#define SWITCHYARD_WORKER_WEIGHTS_MAPPED_FILE_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "base/status.h"
#include "base/units.h"

namespace switchyard::worker {

struct BringInOptions {
  int num_threads = 8;
  int64_t step_bytes = 4 * kMiB;  // that a thread brings in at once
  // Whether a step's bytes, from `begin` of the file on, are what they should be. Called by the
  // thread that brought them in, perhaps after the call has ended: it must own what it uses. May be
  // empty.
  std::function<bool(int64_t begin, std::span<const std::byte> bytes)> is_whole;
  // As in ShardReaderOptions; bytes of this call's range.
  std::function<void(int64_t bytes_done, int64_t bytes_total)> progress;
  std::function<bool()> cancelled;
  std::chrono::milliseconds max_silence{30'000};
};

// Immutable. Must not be cut while it is mapped: its name may be given to another file.
class MappedFile : public std::enable_shared_from_this<MappedFile> {
 public:
  // All of the file of `fd`, which may be closed afterwards. `path` is for messages.
  static absl::StatusOr<std::shared_ptr<const MappedFile>> Map(std::string path, int fd,
                                                               int64_t num_bytes);
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, static_cast<size_t>(num_bytes_)}; }

  // Reads [begin, end) from the disk where it is not in memory, and makes its pages known to this
  // process, in steps from `begin`'s page on. UNAVAILABLE: the disk failed. DEADLINE_EXCEEDED: it
  // says nothing. DATA_LOSS: a step is not whole. All three with the byte. UNIMPLEMENTED: this
  // system has no such call. CANCELLED.
  absl::Status BringIn(int64_t begin, int64_t end, const BringInOptions& options) const;

  // Bytes of the mapping that are in huge pages: what is not is slow to read again and again.
  int64_t huge_bytes() const;

 private:
  MappedFile(std::string path, std::byte* data, int64_t num_bytes);

  const std::string path_;
  std::byte* const data_;
  const int64_t num_bytes_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_MAPPED_FILE_H_
