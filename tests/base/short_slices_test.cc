#include "base/short_slices.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <thread>

#include "base/sched_attributes.h"

namespace switchyard {
namespace {

uint64_t Slice() {
  SchedAttributes attributes;
  EXPECT_TRUE(GetSchedAttributes(&attributes));
  return attributes.runtime;
}

TEST(ShortSlices, AreThoseOfAThreadAndOfWhatItStarts) {
  const uint64_t before = Slice();
  // A system that knows no slices of a thread's own leaves everything as it is.
  const uint64_t expected = before == 0 ? 0 : 100'000;
  uint64_t asked = 0;
  uint64_t inherited = 0;
  std::thread([&] {
    PreferShortSlices();
    asked = Slice();
    std::thread([&] { inherited = Slice(); }).join();
  }).join();
  EXPECT_EQ(asked, expected);
  EXPECT_EQ(inherited, expected);
  EXPECT_EQ(Slice(), before);
}

TEST(ShortSlices, LeaveThePriority) {
  int nice = 0;
  std::thread([&] {
    const auto id = static_cast<id_t>(gettid());
    setpriority(PRIO_PROCESS, id, 5);
    PreferShortSlices();
    nice = getpriority(PRIO_PROCESS, id);
  }).join();
  EXPECT_EQ(nice, 5);
}

}  // namespace
}  // namespace switchyard
