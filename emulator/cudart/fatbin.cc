#include "emulator/cudart/fatbin.h"

#include <zstd.h>

#include <cstring>

namespace emu {
namespace {

constexpr uint32_t kContainerMagic = 0xBA55ED50;
constexpr uint64_t kMaxContainerBytes = uint64_t{1} << 32;
constexpr size_t kMaxExpandedBytes = size_t{1} << 30;

constexpr uint64_t kFlagLz4 = 0x2000;
constexpr uint64_t kFlagZstd = 0x8000;

struct ContainerHeader {
  uint32_t magic;
  uint16_t version;
  uint16_t header_bytes;
  uint64_t body_bytes;
};
static_assert(sizeof(ContainerHeader) == 16);

struct EntryHeader {
  uint16_t kind;  // 1: PTX, 2: cubin
  uint16_t version;
  uint32_t header_bytes;
  uint64_t padded_bytes;      // of the payload
  uint32_t compressed_bytes;  // without padding; 0: stored plainly
  uint32_t options_offset;
  uint16_t minor;
  uint16_t major;
  uint32_t architecture;
  uint32_t name_offset;
  uint32_t name_bytes;
  uint64_t flags;
  uint64_t reserved;
  uint64_t uncompressed_bytes;
};
static_assert(sizeof(EntryHeader) == 64);

FatbinKind KindOf(uint16_t kind) {
  return kind == 1 ? FatbinKind::kPtx : kind == 2 ? FatbinKind::kCubin : FatbinKind::kOther;
}

bool ReadEntry(std::span<const std::byte> body, FatbinEntry* entry, size_t* used,
               std::string* error) {
  EntryHeader header;
  if (body.size() < sizeof header) {
    *error = "the container ends within an entry's header";
    return false;
  }
  std::memcpy(&header, body.data(), sizeof header);
  if (header.header_bytes < sizeof header || header.header_bytes > body.size() ||
      header.padded_bytes > body.size() - header.header_bytes ||
      header.compressed_bytes > header.padded_bytes) {
    *error = "an entry's sizes do not fit the container";
    return false;
  }
  entry->kind = KindOf(header.kind);
  entry->architecture = static_cast<int>(header.architecture);
  entry->payload = body.subspan(header.header_bytes, header.padded_bytes);
  if (header.flags & (kFlagLz4 | kFlagZstd)) {
    entry->compression = (header.flags & kFlagZstd) ? FatbinEntry::Compression::kZstd
                                                    : FatbinEntry::Compression::kLz4;
    entry->payload = entry->payload.first(header.compressed_bytes);
    entry->uncompressed_bytes = header.uncompressed_bytes;
    if (header.uncompressed_bytes == 0 || header.uncompressed_bytes > kMaxExpandedBytes) {
      *error = "a compressed entry has no believable size";
      return false;
    }
  }
  *used = header.header_bytes + header.padded_bytes;
  return true;
}

bool ExpandZstd(const FatbinEntry& entry, std::string* content) {
  content->resize(entry.uncompressed_bytes);
  const size_t got =
      ZSTD_decompress(content->data(), content->size(), entry.payload.data(), entry.payload.size());
  return !ZSTD_isError(got) && got == entry.uncompressed_bytes;
}

// A length of LZ4: four bits, and as long as they are full, bytes that are added.
bool ReadLength(std::span<const std::byte> block, size_t* at, size_t* length) {
  if (*length != 15) return true;
  for (;;) {
    if (*at >= block.size()) return false;
    const auto more = static_cast<size_t>(block[(*at)++]);
    *length += more;
    if (more != 255) return true;
  }
}

}  // namespace

bool ReadFatbin(const void* data, std::vector<FatbinEntry>* entries, std::string* error) {
  ContainerHeader header;
  std::memcpy(&header, data, sizeof header);
  if (header.magic != kContainerMagic || header.version != 1 ||
      header.header_bytes < sizeof header || header.body_bytes > kMaxContainerBytes) {
    *error = "not a container of device code that nvcc 13 writes";
    return false;
  }
  std::span<const std::byte> body(static_cast<const std::byte*>(data) + header.header_bytes,
                                  header.body_bytes);
  while (!body.empty()) {
    FatbinEntry entry;
    size_t used = 0;
    if (!ReadEntry(body, &entry, &used, error)) return false;
    entries->push_back(entry);
    body = body.subspan(used);
  }
  return true;
}

bool ExpandEntry(const FatbinEntry& entry, std::string* content, std::string* error) {
  bool ok = true;
  switch (entry.compression) {
    case FatbinEntry::Compression::kNone:
      content->assign(reinterpret_cast<const char*>(entry.payload.data()), entry.payload.size());
      break;
    case FatbinEntry::Compression::kZstd:
      ok = ExpandZstd(entry, content);
      break;
    case FatbinEntry::Compression::kLz4:
      ok = DecodeLz4(entry.payload, entry.uncompressed_bytes, content);
  }
  if (!ok) {
    *error = "a compressed entry is damaged";
    return false;
  }
  if (entry.kind == FatbinKind::kPtx) content->resize(strnlen(content->data(), content->size()));
  return true;
}

bool DecodeLz4(std::span<const std::byte> block, size_t num_bytes, std::string* out) {
  out->clear();
  out->reserve(num_bytes);
  size_t at = 0;
  while (at < block.size()) {
    const auto token = static_cast<size_t>(block[at++]);
    size_t literals = token >> 4;
    if (!ReadLength(block, &at, &literals)) return false;
    if (literals > block.size() - at || literals > num_bytes - out->size()) return false;
    out->append(reinterpret_cast<const char*>(block.data()) + at, literals);
    at += literals;
    if (at == block.size()) break;  // the last sequence has literals only
    if (block.size() - at < 2) return false;
    const size_t distance = static_cast<size_t>(block[at]) | static_cast<size_t>(block[at + 1])
                                                                 << 8;
    at += 2;
    size_t match = token & 15;
    if (!ReadLength(block, &at, &match)) return false;
    match += 4;
    if (distance == 0 || distance > out->size() || match > num_bytes - out->size()) return false;
    // A match may overlap what it appends: one byte after another.
    for (size_t from = out->size() - distance; match > 0; --match) out->push_back((*out)[from++]);
  }
  return out->size() == num_bytes;
}

}  // namespace emu
