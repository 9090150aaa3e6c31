#include "coordinator/gateway/random_id.h"

#include <random>

namespace switchyard::gateway {

uint64_t RandomUint64() {
  std::random_device device;
  return uint64_t{device()} << 32 | device();
}

}  // namespace switchyard::gateway
