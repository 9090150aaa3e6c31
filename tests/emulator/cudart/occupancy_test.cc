// Our occupancy against the toolkit's own header-only calculator, over many shapes of blocks.
#include "emulator/cudart/occupancy.h"

#include <cuda_occupancy.h>
#include <gtest/gtest.h>

#include "emulator/cudart/device_properties.h"

namespace emu {
namespace {

int ToolkitBlocks(const BlockShape& shape) {
  const cudaDeviceProp properties = MakeProperties(0, size_t{1} << 30);
  cudaOccDeviceProp device(properties);
  cudaOccFuncAttributes function;
  function.maxThreadsPerBlock = kMaxThreadsPerBlock;
  function.numRegs = shape.registers_per_thread;
  function.sharedSizeBytes = shape.static_shared_bytes;
  function.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
  function.maxDynamicSharedSizeBytes = kMaxSharedPerBlock - shape.static_shared_bytes;
  cudaOccDeviceState state;
  cudaOccResult result;
  const cudaOccError error = cudaOccMaxActiveBlocksPerMultiprocessor(
      &result, &device, &function, &state, shape.threads, shape.dynamic_shared_bytes);
  return error == CUDA_OCC_SUCCESS ? result.activeBlocksPerMultiprocessor : -1;
}

TEST(OccupancyTest, AgreesWithTheToolkit) {
  int compared = 0;
  for (int threads = 32; threads <= 1024; threads += 96) {
    for (int registers = 16; registers <= 255; registers += 13) {
      for (const size_t shared : {0, 1000, 16384, 49152, 100000, 166912, 232448}) {
        const BlockShape shape = {
            .threads = threads, .registers_per_thread = registers, .dynamic_shared_bytes = shared};
        ASSERT_EQ(BlocksPerMultiprocessor(shape), ToolkitBlocks(shape))
            << threads << " threads, " << registers << " registers, " << shared << " bytes";
        ++compared;
      }
    }
  }
  EXPECT_GT(compared, 1000);
}

TEST(OccupancyTest, ClustersStayInTheirGroup) {
  const BlockShape one_per_sm = {
      .threads = 384, .registers_per_thread = 168, .dynamic_shared_bytes = 200000};
  ASSERT_EQ(BlocksPerMultiprocessor(one_per_sm), 1);
  EXPECT_EQ(ActiveClusters(one_per_sm, 1), 132);
  EXPECT_EQ(ActiveClusters(one_per_sm, 2), 66);
  EXPECT_EQ(ActiveClusters(one_per_sm, 16), 8);
  EXPECT_EQ(ActiveClusters(one_per_sm, 17), 0);
}

}  // namespace
}  // namespace emu
