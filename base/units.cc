#include "base/units.h"

#include <fmt/format.h>

namespace switchyard {

std::string FormatBytes(int64_t num_bytes) {
  if (num_bytes >= kGiB) return fmt::format("{:.2f} GiB", double(num_bytes) / kGiB);
  if (num_bytes >= kMiB) return fmt::format("{:.1f} MiB", double(num_bytes) / kMiB);
  if (num_bytes >= kKiB) return fmt::format("{:.0f} KiB", double(num_bytes) / kKiB);
  return fmt::format("{} B", num_bytes);
}

}  // namespace switchyard
