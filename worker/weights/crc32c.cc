#include "worker/weights/crc32c.h"

#include <isa-l/crc.h>

#include <algorithm>

#include "base/units.h"

namespace switchyard::worker {

uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t crc) {
  constexpr size_t kAtOnce = size_t{kGiB};  // the library counts in int
  crc = ~crc;
  while (!bytes.empty()) {
    const size_t count = std::min(bytes.size(), kAtOnce);
    // It does not write there.
    auto* const from = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(bytes.data()));
    crc = crc32_iscsi(from, static_cast<int>(count), crc);
    bytes = bytes.subspan(count);
  }
  return ~crc;
}

}  // namespace switchyard::worker
