// Packed weights in one file: a header, then parts, the memory of one weight each.
//
// Header, little endian:
//   "SYPACKED" | u32 version | u32 CRC-32C of all header bytes behind it
//   u64 header bytes | u64 file bytes | u32 verified | u32 manifest digest
//   u64 key bytes | u64 parts | key | u64 bytes of each part | u32 CRC-32C of each slab
// The key says what the parts are made from and for; who wants another one cannot use them. The
// body begins at the next multiple of kDirectBlock: parts at multiples of kPackedAlignment of it,
// between them zeros. A slab is kPackedSlabBytes of the body, or what is left of it.
#ifndef SWITCHYARD_WORKER_WEIGHTS_PACKED_FILE_H_
#define SWITCHYARD_WORKER_WEIGHTS_PACKED_FILE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "base/units.h"
#include "worker/weights/posix_file.h"

namespace switchyard::worker {

inline constexpr int64_t kPackedAlignment = 256;  // what devices give their memory
inline constexpr int64_t kPackedSlabBytes = 8 * kMiB;
inline constexpr int64_t kPackedPrefixBytes = 56;  // of every header, before the key
inline constexpr int64_t kMaxPackedHeaderBytes = 256 * kMiB;

struct PackedHeader {
  std::string key;
  // Digest of the manifest that all bytes were held against when they were read; none: they were
  // not.
  std::optional<uint32_t> verified_by;
  std::vector<int64_t> part_bytes;
  std::vector<uint32_t> slab_digests;

  // What follows from the above.
  std::vector<int64_t> PartPlaces() const;  // from the body's beginning
  int64_t body_bytes() const;
  int64_t num_slabs() const;
  int64_t header_bytes() const;
  int64_t body_begin() const;
  int64_t file_bytes() const { return body_begin() + body_bytes(); }
};

std::string EncodePackedHeader(const PackedHeader& header);

// Bytes of the whole header, from its first kPackedPrefixBytes. INVALID_ARGUMENT: this is no such
// header, or not that of a file of `file_bytes`.
absl::StatusOr<int64_t> ParsePackedPrefix(std::span<const std::byte> prefix, int64_t file_bytes);
// The whole header. INVALID_ARGUMENT says what is wrong with it.
absl::StatusOr<PackedHeader> ParsePackedHeader(std::span<const std::byte> bytes,
                                               int64_t file_bytes);
// Both on an open file, whose path stands before the message.
absl::StatusOr<PackedHeader> ReadPackedHeader(const PosixFile& file);

// Writes a file to PATH.partial, which Finish renames to PATH. Who goes without Finish removes it;
// what a killed process left is written over by the next.
class PackedFileWriter {
 public:
  // `header` without digests. UNAVAILABLE: another process writes this file; RESOURCE_EXHAUSTED:
  // the disk has no room for it.
  static absl::StatusOr<PackedFileWriter> Create(std::string path, PackedHeader header);

  PackedFileWriter(PackedFileWriter&& other) noexcept = default;
  PackedFileWriter& operator=(PackedFileWriter&&) = delete;
  ~PackedFileWriter();

  // The next part: `copy` puts `count` bytes of it, from byte `begin` on, to `to`.
  using CopyPart = std::function<void(int64_t begin, std::byte* to, int64_t count)>;
  absl::Status AddPart(const CopyPart& copy);
  // REQUIRES: all parts were added. When it returns OK the file is on the disk.
  absl::Status Finish();

 private:
  PackedFileWriter(std::string path, PosixFile file, PackedHeader header);

  absl::Status WriteSlab();

  std::string path_;
  std::optional<PosixFile> file_;  // empty after a move
  PackedHeader header_;
  std::vector<int64_t> places_;  // of parts
  size_t next_part_ = 0;
  int64_t written_ = 0;          // of the body
  std::vector<std::byte> slab_;  // what follows
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_PACKED_FILE_H_
