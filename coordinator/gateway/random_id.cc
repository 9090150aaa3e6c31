#include "coordinator/gateway/random_id.h"

#include <fmt/format.h>
#include <unistd.h>

#include "base/check.h"

namespace switchyard::gateway {

uint64_t RandomUint64() {
  uint64_t number = 0;
  SY_CHECK_EQ(getentropy(&number, sizeof(number)), 0);  // never fails for a few bytes
  return number;
}

std::string RandomName(std::string_view prefix, char separator) {
  return fmt::format("{}{}{:016x}{:016x}", prefix, separator, RandomUint64(), RandomUint64());
}

}  // namespace switchyard::gateway
