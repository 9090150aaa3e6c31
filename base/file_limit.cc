#include "base/file_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <limits>

namespace switchyard {
namespace {

constexpr int kLeast = 256;  // should the system not say

}  // namespace

int RaiseFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kLeast;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  const rlim_t now = setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_max : before;
  return static_cast<int>(std::min<rlim_t>(now, std::numeric_limits<int>::max()));
}

}  // namespace switchyard
