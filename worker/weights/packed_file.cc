#include "worker/weights/packed_file.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <utility>

#include "base/check.h"
#include "worker/weights/crc32c.h"
#include "worker/weights/read_plan.h"

namespace switchyard::worker {
namespace {

constexpr std::string_view kMagic = "SYPACKED";
constexpr uint32_t kVersion = 1;
constexpr int64_t kDigestPlace = 12, kDigestEnd = 16;
constexpr uint64_t kMaxFileBytes = uint64_t{1} << 56;

template <typename T>
void Put(T value, std::string& to) {
  to.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

// Takes numbers off the front; what is asked for beyond the end is 0 and spoils it.
class Cursor {
 public:
  explicit Cursor(std::span<const std::byte> bytes) : left_(bytes) {}
  template <typename T>
  T Take() {
    T value = 0;
    const std::span<const std::byte> bytes = TakeBytes(sizeof(T));
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), sizeof(T));
    return value;
  }
  std::span<const std::byte> TakeBytes(uint64_t count) {
    ok_ &= count <= left_.size();
    if (!ok_) return {};
    const std::span<const std::byte> bytes = left_.first(count);
    left_ = left_.subspan(count);
    return bytes;
  }
  bool ok() const { return ok_; }
  size_t left() const { return left_.size(); }

 private:
  std::span<const std::byte> left_;
  bool ok_ = true;
};

absl::Status Broken(std::string_view what) {
  return absl::InvalidArgumentError(fmt::format("its header is broken: {}", what));
}

}  // namespace

std::vector<int64_t> PackedHeader::PartPlaces() const {
  std::vector<int64_t> places;
  int64_t at = 0;
  for (const int64_t bytes : part_bytes) {
    places.push_back(at);
    at = RoundUp(at + bytes, kPackedAlignment);
  }
  return places;
}

int64_t PackedHeader::body_bytes() const {
  int64_t end = 0;
  for (const int64_t bytes : part_bytes) end = RoundUp(end + bytes, kPackedAlignment);
  return end;
}

int64_t PackedHeader::num_slabs() const { return CeilDiv(body_bytes(), kPackedSlabBytes); }

int64_t PackedHeader::header_bytes() const {
  return kPackedPrefixBytes + std::ssize(key) + std::ssize(part_bytes) * int64_t{sizeof(uint64_t)} +
         num_slabs() * int64_t{sizeof(uint32_t)};
}

int64_t PackedHeader::body_begin() const { return RoundUp(header_bytes(), kDirectBlock); }

std::string EncodePackedHeader(const PackedHeader& header) {
  SY_CHECK_EQ(std::ssize(header.slab_digests), header.num_slabs());
  std::string bytes(kMagic);
  Put(kVersion, bytes);
  Put(uint32_t{0}, bytes);
  Put(static_cast<uint64_t>(header.header_bytes()), bytes);
  Put(static_cast<uint64_t>(header.file_bytes()), bytes);
  Put(uint32_t{header.verified_by.has_value()}, bytes);
  Put(header.verified_by.value_or(0), bytes);
  Put(uint64_t{header.key.size()}, bytes);
  Put(uint64_t{header.part_bytes.size()}, bytes);
  SY_CHECK_EQ(std::ssize(bytes), kPackedPrefixBytes);
  bytes += header.key;
  for (const int64_t part : header.part_bytes) Put(static_cast<uint64_t>(part), bytes);
  for (const uint32_t slab : header.slab_digests) Put(slab, bytes);
  const uint32_t digest = Crc32c(std::as_bytes(std::span(bytes)).subspan(kDigestEnd));
  std::memcpy(bytes.data() + kDigestPlace, &digest, sizeof(digest));
  return bytes;
}

absl::StatusOr<int64_t> ParsePackedPrefix(std::span<const std::byte> prefix, int64_t file_bytes) {
  if (std::ssize(prefix) < kPackedPrefixBytes ||
      std::memcmp(prefix.data(), kMagic.data(), kMagic.size()) != 0) {
    return absl::InvalidArgumentError("it holds no packed weights");
  }
  Cursor cursor(prefix.subspan(kMagic.size()));
  if (const auto version = cursor.Take<uint32_t>(); version != kVersion) {
    return absl::InvalidArgumentError(
        fmt::format("it is of version {}, this program's is {}", version, kVersion));
  }
  cursor.Take<uint32_t>();
  const auto header_bytes = cursor.Take<uint64_t>();
  const auto expected = cursor.Take<uint64_t>();
  if (expected > kMaxFileBytes || static_cast<int64_t>(expected) != file_bytes) {
    return absl::InvalidArgumentError(
        fmt::format("it has {} bytes, its header says {}", file_bytes, expected));
  }
  if (header_bytes < kPackedPrefixBytes || header_bytes > kMaxPackedHeaderBytes ||
      header_bytes > expected) {
    return Broken(fmt::format("{} bytes of a file of {}", header_bytes, file_bytes));
  }
  return static_cast<int64_t>(header_bytes);
}

absl::StatusOr<PackedHeader> ParsePackedHeader(std::span<const std::byte> bytes,
                                               int64_t file_bytes) {
  SY_ASSIGN_OR_RETURN(const int64_t header_bytes, ParsePackedPrefix(bytes, file_bytes));
  if (header_bytes != std::ssize(bytes)) return Broken("it is cut");
  uint32_t digest = 0;
  std::memcpy(&digest, bytes.data() + kDigestPlace, sizeof(digest));
  if (digest != Crc32c(bytes.subspan(kDigestEnd))) return Broken("its digest is another one");
  Cursor cursor(bytes.subspan(kDigestEnd + 2 * sizeof(uint64_t)));
  PackedHeader header;
  const bool verified = cursor.Take<uint32_t>() != 0;
  const auto manifest = cursor.Take<uint32_t>();
  if (verified) header.verified_by = manifest;
  const auto key_bytes = cursor.Take<uint64_t>();
  const auto num_parts = cursor.Take<uint64_t>();
  const std::span<const std::byte> key = cursor.TakeBytes(key_bytes);
  header.key.assign(reinterpret_cast<const char*>(key.data()), key.size());
  if (num_parts > cursor.left() / sizeof(uint64_t)) return Broken("it has no room for its parts");
  uint64_t total = 0;
  for (uint64_t i = 0; i < num_parts; ++i) {
    const auto part = cursor.Take<uint64_t>();
    if (part > kMaxFileBytes || (total += part) > kMaxFileBytes) return Broken("a part's size");
    header.part_bytes.push_back(static_cast<int64_t>(part));
  }
  const int64_t num_slabs = header.num_slabs();
  if (cursor.left() != static_cast<size_t>(num_slabs) * sizeof(uint32_t)) {
    return Broken("its digests are not those of its parts");
  }
  for (int64_t i = 0; i < num_slabs; ++i) header.slab_digests.push_back(cursor.Take<uint32_t>());
  if (!cursor.ok() || header.header_bytes() != header_bytes || header.file_bytes() != file_bytes) {
    return Broken("its sizes do not add up");
  }
  return header;
}

absl::StatusOr<PackedHeader> ReadPackedHeader(const PosixFile& file) {
  const int64_t file_bytes = file.num_bytes();
  std::vector<std::byte> bytes(static_cast<size_t>(std::min(kPackedPrefixBytes, file_bytes)));
  SY_RETURN_IF_ERROR(file.ReadAt(0, bytes));
  const absl::StatusOr<int64_t> header_bytes = ParsePackedPrefix(bytes, file_bytes);
  if (!header_bytes.ok()) return Annotate(header_bytes.status(), file.path());
  bytes.resize(static_cast<size_t>(*header_bytes));
  SY_RETURN_IF_ERROR(file.ReadAt(0, bytes));
  absl::StatusOr<PackedHeader> header = ParsePackedHeader(bytes, file_bytes);
  if (!header.ok()) return Annotate(header.status(), file.path());
  return header;
}

absl::StatusOr<PackedFileWriter> PackedFileWriter::Create(std::string path, PackedHeader header) {
  SY_ASSIGN_OR_RETURN(PosixFile file, PosixFile::CreateLocked(path + ".partial"));
  PackedFileWriter writer(std::move(path), std::move(file), std::move(header));
  SY_RETURN_IF_ERROR(writer.file_->Reserve(writer.header_.file_bytes()));
  return writer;
}

PackedFileWriter::PackedFileWriter(std::string path, PosixFile file, PackedHeader header)
    : path_(std::move(path)),
      file_(std::move(file)),
      header_(std::move(header)),
      places_(header_.PartPlaces()) {}

PackedFileWriter::~PackedFileWriter() {
  if (!file_.has_value() || file_->fd() < 0) return;
  std::error_code ignored;
  std::filesystem::remove(file_->path(), ignored);
}

absl::Status PackedFileWriter::WriteSlab() {
  header_.slab_digests.push_back(Crc32c(slab_));
  SY_RETURN_IF_ERROR(file_->WriteAt(header_.body_begin() + written_, slab_));
  written_ += std::ssize(slab_);
  slab_.clear();
  // A disk that is slower than memory would make the last sync wait for all.
  return written_ % kGiB == 0 ? file_->Sync() : absl::OkStatus();
}

absl::Status PackedFileWriter::AddPart(const CopyPart& copy) {
  const int64_t bytes = header_.part_bytes[next_part_++];
  for (int64_t begin = 0; begin < bytes;) {
    const int64_t used = std::ssize(slab_);
    const int64_t count = std::min(bytes - begin, kPackedSlabBytes - used);
    slab_.resize(static_cast<size_t>(used + count));
    copy(begin, slab_.data() + used, count);
    begin += count;
    // Slabs are whole multiples of the alignment: one is never left by the zeros behind a part.
    if (begin == bytes) slab_.resize(static_cast<size_t>(RoundUp(used + count, kPackedAlignment)));
    if (std::ssize(slab_) == kPackedSlabBytes) SY_RETURN_IF_ERROR(WriteSlab());
  }
  return absl::OkStatus();
}

absl::Status PackedFileWriter::Finish() {
  SY_CHECK_EQ(next_part_, header_.part_bytes.size());
  if (!slab_.empty()) SY_RETURN_IF_ERROR(WriteSlab());
  const std::string header = EncodePackedHeader(header_);
  SY_RETURN_IF_ERROR(file_->WriteAt(0, std::as_bytes(std::span(header))));
  SY_RETURN_IF_ERROR(file_->Resize(header_.file_bytes()));
  SY_RETURN_IF_ERROR(file_->Sync());
  // The lock goes with the file: nobody writes to it before it has its name.
  SY_RETURN_IF_ERROR(file_->RenameTo(path_));
  const absl::Status closed = file_->Close();
  std::error_code ignored;
  if (!closed.ok()) std::filesystem::remove(path_, ignored);
  return closed;
}

}  // namespace switchyard::worker
