#include "base/short_slices.h"

#include <sched.h>

#include "base/sched_attributes.h"

namespace switchyard {
namespace {

constexpr uint64_t kShortest = 100'000;  // nanoseconds; the system takes no shorter one

}  // namespace

void PreferShortSlices() {
  SchedAttributes attributes;
  if (!GetSchedAttributes(&attributes)) return;
  if (attributes.policy != SCHED_OTHER && attributes.policy != SCHED_BATCH) return;
  attributes.runtime = kShortest;
  SetSchedAttributes(attributes);
}

}  // namespace switchyard
