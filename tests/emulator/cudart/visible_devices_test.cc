#include "emulator/cudart/visible_devices.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(VisibleDevicesTest, ListEndsAtWhatNamesNoDevice) {
  EXPECT_THAT(VisibleDevices(nullptr, 3), ElementsAre(0, 1, 2));
  EXPECT_THAT(VisibleDevices("2,0", 3), ElementsAre(2, 0));
  EXPECT_THAT(VisibleDevices("1,7,0", 3), ElementsAre(1));
  EXPECT_THAT(VisibleDevices("1, 2", 3), ElementsAre(1, 2));
  EXPECT_THAT(VisibleDevices("", 3), IsEmpty());
  EXPECT_THAT(VisibleDevices("-1", 3), IsEmpty());
  EXPECT_THAT(VisibleDevices("1,1", 3), IsEmpty());
}

}  // namespace
}  // namespace emu
