// The safetensors file format: 8 bytes with the header's length (little endian), a JSON header that
// names each tensor's dtype, shape and place, then the tensors' bytes without gap or overlap. The
// reader trusts nothing: every number is checked against the file's real size before it is used.
#ifndef SWITCHYARD_WORKER_WEIGHTS_SAFETENSORS_H_
#define SWITCHYARD_WORKER_WEIGHTS_SAFETENSORS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/gguf.h"
#include "base/status.h"
#include "worker/weights/posix_file.h"

namespace switchyard::worker {

// Element types by the names that safetensors gives them (FileDtypeName): more than kernels compute
// with.
enum class FileDtype : uint8_t {
  kBool,
  kU8,
  kI8,
  kF8E4m3,
  kF8E5m2,
  kF8E8m0,
  kI16,
  kU16,
  kF16,
  kBf16,
  kI32,
  kU32,
  kF32,
  kI64,
  kU64,
  kF64,
};
std::string_view FileDtypeName(FileDtype dtype);  // "F8_E4M3"
std::optional<FileDtype> FileDtypeOf(std::string_view name);
int64_t FileDtypeBytes(FileDtype dtype);  // of one element

using TensorShape = std::vector<int64_t>;
inline constexpr int kMaxTensorRank = 8;
std::string ShapeString(const TensorShape& shape);  // "[2, 3]"

// What a tensor is, before it has a place.
struct TensorSpec {
  std::string name;
  FileDtype dtype = FileDtype::kBf16;
  TensorShape shape;  // [] is one element
};
int64_t NumBytes(const TensorSpec& spec);

// How a tensor of a GGUF file lies there, where it is no plain matrix with its rows in order.
struct GgufLayout {
  const GgufType* type = nullptr;
  int64_t columns = 0;  // elements of a row
  // Rows of one head, of which the file has both elements of a rotated pair side by side: its row
  // 2 i + j is row j head_rows / 2 + i. 0: rows are in order.
  int64_t head_rows = 0;
};

// A tensor in a file. The product of any of its dimensions, in bytes, is at most 2^62.
struct TensorInfo {
  std::string name;
  FileDtype dtype = FileDtype::kBf16;
  TensorShape shape;
  int32_t file = 0;       // index into Checkpoint::files()
  int64_t offset = 0;     // of the first byte, from the file's beginning
  int64_t num_bytes = 0;  // equal to the shape's product times the dtype's size
  // With it the tensor is a matrix, dtype kU8 and shape [rows, bytes of a row].
  std::optional<GgufLayout> gguf = std::nullopt;
};

struct SafetensorsHeader {
  std::vector<TensorInfo> tensors;  // ascending offset
  std::vector<std::pair<std::string, std::string>> metadata;
};

inline constexpr int64_t kMaxSafetensorsHeaderBytes = 100'000'000;  // the format's own limit

// The header's length from the first 8 bytes of a file of `file_bytes`. INVALID_ARGUMENT if they
// cannot be one.
absl::StatusOr<int64_t> ParseSafetensorsHeaderLength(std::string_view path,
                                                     std::span<const std::byte> first_bytes,
                                                     int64_t file_bytes);

// The header `json` of a file of `file_bytes`; `path` is for messages. INVALID_ARGUMENT names path,
// tensor and fault.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(std::string_view path,
                                                         std::string_view json, int64_t file_bytes);

// Both of the above on an open file.
absl::StatusOr<SafetensorsHeader> ReadSafetensorsHeader(const PosixFile& file);

// What a file that is being written takes of the disk: all of it from the beginning, or no more
// than what is written of it.
enum class DiskSpace { kReserved, kSparse };

// Writes one file whose tensors are known beforehand. They lie in it as in published files: those
// of wide elements first, so that all are aligned, then by name. The bytes go to PATH.partial,
// which Finish() renames to PATH; a writer that goes without Finish() removes it.
class SafetensorsWriter {
 public:
  // kReserved: a full disk is told here (RESOURCE_EXHAUSTED). ALREADY_EXISTS if PATH.partial does,
  // INVALID_ARGUMENT if PATH is a folder. REQUIRES: distinct names, shapes within TensorInfo's
  // bounds.
  static absl::StatusOr<SafetensorsWriter> Create(std::string path, std::vector<TensorSpec> tensors,
                                                  DiskSpace space = DiskSpace::kReserved);

  SafetensorsWriter(SafetensorsWriter&& other) noexcept;
  SafetensorsWriter& operator=(SafetensorsWriter&&) = delete;
  ~SafetensorsWriter();

  // Writes bytes of tensor number `tensor` from byte `offset` of it. Any thread, any order, each
  // byte once.
  absl::Status Write(size_t tensor, int64_t offset, std::span<const std::byte> bytes);
  // Counts `num_bytes` of tensor number `tensor` as written; they are zeros, and where the file is
  // sparse they take no disk.
  void LeaveZeros(size_t tensor, int64_t num_bytes);
  // Every byte of every tensor has been written or left.
  bool complete() const { return num_bytes_left_.load() == 0; }
  // REQUIRES: complete(). Flushes, renames.
  absl::Status Finish();

 private:
  struct Place {
    int64_t begin;  // in the file
    int64_t end;
  };
  SafetensorsWriter(std::string path, PosixFile file, std::vector<Place> places);

  std::string path_;
  std::optional<PosixFile> file_;  // empty after Finish() or a move
  std::vector<Place> places_;
  std::atomic<int64_t> num_bytes_left_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_SAFETENSORS_H_
