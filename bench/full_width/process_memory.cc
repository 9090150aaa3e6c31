#include "bench/full_width/process_memory.h"

#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>

#include "base/units.h"

namespace switchyard::bench {
namespace {

// A line such as "VmHWM:    1234 kB" of /proc/self/status; 0 if there is none.
int64_t StatusBytes(std::string_view key) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(key)) {
      return std::strtoll(line.c_str() + key.size(), nullptr, 10) * kKiB;
    }
  }
  return 0;
}

}  // namespace

int64_t PeakResidentBytes() { return StatusBytes("VmHWM:"); }
int64_t ResidentBytes() { return StatusBytes("VmRSS:"); }

void ForgetPeak() {
  constexpr char kPeakOnly = '5';  // proc(5), clear_refs
  std::ofstream("/proc/self/clear_refs") << kPeakOnly;
}

}  // namespace switchyard::bench
