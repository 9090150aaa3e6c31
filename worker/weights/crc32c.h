// CRC-32C (Castagnoli) by the CPU's own instructions.
#ifndef SWITCHYARD_WORKER_WEIGHTS_CRC32C_H_
#define SWITCHYARD_WORKER_WEIGHTS_CRC32C_H_

#include <cstddef>
#include <cstdint>
#include <span>

namespace switchyard::worker {

// `crc` goes on from the digest of what stood before.
uint32_t Crc32c(std::span<const std::byte> bytes, uint32_t crc = 0);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_CRC32C_H_
