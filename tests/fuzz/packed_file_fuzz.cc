// The header of packed weights as a worker would read it: prefix, header, then the promise that
// every part lies inside the file.
#include <cstddef>
#include <cstdint>
#include <span>

#include "base/check.h"
#include "worker/weights/packed_file.h"

using switchyard::worker::PackedHeader;

namespace {

void CheckPromises(const PackedHeader& header, int64_t file_bytes) {
  SY_CHECK_EQ(header.file_bytes(), file_bytes);
  SY_CHECK_EQ(std::ssize(header.slab_digests), header.num_slabs());
  const std::vector<int64_t> places = header.PartPlaces();
  int64_t end = 0;
  for (size_t i = 0; i < places.size(); ++i) {
    SY_CHECK(header.part_bytes[i] >= 0 && places[i] >= end);
    end = places[i] + header.part_bytes[i];
    SY_CHECK(header.body_begin() + end <= file_bytes);
  }
}

}  // namespace

// The first eight bytes say how long the file is; the header follows.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < sizeof(int64_t)) return 0;
  int64_t file_bytes = 0;
  __builtin_memcpy(&file_bytes, data, sizeof(file_bytes));
  const auto bytes = std::as_bytes(std::span(data, size)).subspan(sizeof(file_bytes));
  const auto length = switchyard::worker::ParsePackedPrefix(bytes, file_bytes);
  if (!length.ok() || *length > std::ssize(bytes)) return 0;
  const auto header =
      switchyard::worker::ParsePackedHeader(bytes.first(static_cast<size_t>(*length)), file_bytes);
  if (header.ok()) CheckPromises(*header, file_bytes);
  return 0;
}
