#include "emulator/cudart/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emu {
namespace {

TEST(SettingsTest, KeysOfBothPartsAreTakenApart) {
  Settings settings;
  std::string error;
  ASSERT_TRUE(
      ParseSettings("streams=random,seed=7,devices=4,memory=512M,schedule=random,"
                    "progress_ms=0,counters_file=/tmp/c.json",
                    &settings, &error))
      << error;
  EXPECT_EQ(settings.streams, StreamOrder::kRandom);
  EXPECT_EQ(settings.num_devices, 4);
  EXPECT_EQ(settings.memory_bytes, size_t{512} << 20);
  EXPECT_EQ(settings.progress_ms, 0);
  EXPECT_EQ(settings.counters_file, "/tmp/c.json");
  EXPECT_EQ(settings.interpreter.seed, 7u);
  EXPECT_EQ(settings.interpreter.schedule, Schedule::kRandom);
}

TEST(SettingsTest, WhatIsNotUnderstoodIsNamed) {
  for (const char* text : {"streams=lazily", "devices=0", "devices=17", "memory=1", "memory=4T",
                           "progress_ms=-1", "devices", "no_such_key=1"}) {
    Settings settings;
    std::string error;
    EXPECT_FALSE(ParseSettings(text, &settings, &error)) << text;
    EXPECT_NE(error, "") << text;
  }
}

}  // namespace
}  // namespace emu
