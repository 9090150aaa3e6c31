#include "coordinator/token_rate.h"

#include <gtest/gtest.h>

namespace switchyard {
namespace {

using core::Instant;

TEST(TokenRateTest, NothingIsKnownBeforeTwoTicks) {
  TokenRate rate;
  EXPECT_EQ(rate.PerSecond(), 0);
  rate.Add(5);
  rate.OnTick(Instant(100));
  EXPECT_EQ(rate.PerSecond(), 0);
}

TEST(TokenRateTest, CountsFromTheFirstTickUntilTheWindowIsFull) {
  TokenRate rate;
  rate.OnTick(Instant(1000));
  rate.Add(30);
  rate.OnTick(Instant(3000));
  EXPECT_DOUBLE_EQ(rate.PerSecond(), 15);
}

TEST(TokenRateTest, WhatIsOlderThanTheWindowIsForgotten) {
  TokenRate rate;
  rate.Add(1000);
  for (int second = 0; second <= 60; ++second) {
    rate.OnTick(Instant(1000 * second));
    if (second >= 50) rate.Add(2);
  }
  EXPECT_DOUBLE_EQ(rate.PerSecond(), 2);
  for (int second = 61; second <= 75; ++second) rate.OnTick(Instant(1000 * second));
  EXPECT_EQ(rate.PerSecond(), 0);
}

}  // namespace
}  // namespace switchyard
