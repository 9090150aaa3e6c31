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

TEST(SettingsTest, MemoryIsBoundedOnBothSides) {
  Settings settings;
  std::string error;
  for (const char* text : {"memory=1K", "memory=1023K", "memory=1048575", "memory=1025G",
                           "memory=18446744073709551615G", "memory=4KM", "memory=G"}) {
    EXPECT_FALSE(ParseSettings(text, &settings, &error)) << text;
    EXPECT_THAT(error, ::testing::HasSubstr("1M to 1024G")) << text;
  }
  for (const char* text :
       {"memory=1M", "memory=1024K", "memory=1048576", "memory=1024G", "memory=1073741824K"}) {
    EXPECT_TRUE(ParseSettings(text, &settings, &error)) << text << ": " << error;
  }
  EXPECT_EQ(settings.memory_bytes, size_t{1} << 40);
}

}  // namespace
}  // namespace emu
