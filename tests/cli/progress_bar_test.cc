#include "cli/progress_bar.h"

#include <gtest/gtest.h>

namespace switchyard::cli {
namespace {

constexpr int64_t kGiB = int64_t{1} << 30;

TEST(ProgressLine, SaysShareAmountRateAndTimeLeft) {
  EXPECT_EQ(ProgressLine("loading", kGiB, 4 * kGiB, 2.0),
            "loading  [#####...............]  25 %  1.00 GiB of 4.00 GiB  512.0 MiB/s  6 s left");
}

TEST(ProgressLine, BeginsWithoutARate) {
  EXPECT_EQ(ProgressLine("loading", 0, kGiB, 0.5),
            "loading  [....................]  0 %  0 B of 1.00 GiB");
}

TEST(ProgressLine, EndsFull) {
  EXPECT_EQ(ProgressLine("loading", kGiB, kGiB, 1.0),
            "loading  [####################]  100 %  1.00 GiB of 1.00 GiB  1.00 GiB/s  0 s left");
  EXPECT_EQ(ProgressLine("x", 0, 0, 1.0), "x  [####################]  100 %  0 B of 0 B");
}

}  // namespace
}  // namespace switchyard::cli
