#include "coordinator/gateway/random_id.h"

#include <fmt/format.h>

#include <random>

namespace switchyard::gateway {

uint64_t RandomUint64() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

std::string RandomName(std::string_view prefix) {
  return fmt::format("{}_{:016x}{:016x}", prefix, RandomUint64(), RandomUint64());
}

}  // namespace switchyard::gateway
