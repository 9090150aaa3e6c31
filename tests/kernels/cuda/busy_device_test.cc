// A GPU that is there and that others hold.
#include <gtest/gtest.h>

#include "kernels/cuda/open_device.h"

// Instead of the runtime's, as it answers where another process has the device for itself.
extern "C" cudaError_t cudaSetDevice(int /*device*/) { return cudaErrorDevicesUnavailable; }

namespace switchyard::kernels::cuda {
namespace {

TEST(BusyDevice, IsRefusedInOneLine) {
  const absl::Status status = OpenDevice(0).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_EQ(status.message(),
            "no CUDA device: all devices are busy or unavailable; use the cpu backend");
}

}  // namespace
}  // namespace switchyard::kernels::cuda
