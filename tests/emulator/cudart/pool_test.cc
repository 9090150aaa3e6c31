// Memory in the order of a stream, and the pools that it comes from.
#include "tests/emulator/cudart/cuda_test.h"

namespace emu {
namespace {

class PoolTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    pool_ = Create(kMaxBytes);
  }
  void TearDown() override {
    EXPECT_CUDA(cudaSuccess, cudaDeviceSynchronize());
    EXPECT_CUDA(cudaSuccess, cudaStreamDestroy(stream_));
    if (pool_ != nullptr) {
      EXPECT_CUDA(cudaSuccess, cudaMemPoolDestroy(pool_));
    }
    cudaGetLastError();
  }
  static cudaMemPoolProps Properties(size_t max_bytes) {
    cudaMemPoolProps properties = {};
    properties.allocType = cudaMemAllocationTypePinned;
    properties.location = {cudaMemLocationTypeDevice, 0};
    properties.maxSize = max_bytes;
    return properties;
  }
  static cudaMemPool_t Create(size_t max_bytes) {
    const cudaMemPoolProps properties = Properties(max_bytes);
    cudaMemPool_t pool = nullptr;
    EXPECT_CUDA(cudaSuccess, cudaMemPoolCreate(&pool, &properties));
    return pool;
  }
  static unsigned long long Ask(cudaMemPool_t pool, cudaMemPoolAttr attribute) {
    unsigned long long value = ~0ull;
    EXPECT_CUDA(cudaSuccess, cudaMemPoolGetAttribute(pool, attribute, &value));
    return value;
  }
  void* Take(size_t bytes, cudaMemPool_t pool) {
    void* p = nullptr;
    EXPECT_CUDA(cudaSuccess, cudaMallocFromPoolAsync(&p, bytes, pool, stream_));
    return p;
  }

  static constexpr size_t kMaxBytes = 1 << 20;
  cudaStream_t stream_ = nullptr;
  cudaMemPool_t pool_ = nullptr;
};

TEST_F(PoolTest, AllocationsCountWhereTheyCameFrom) {
  cudaMemPool_t standard = nullptr;
  ASSERT_CUDA(cudaDeviceGetDefaultMemPool(&standard, 0));
  const auto before = Ask(standard, cudaMemPoolAttrUsedMemCurrent);
  void* p = Take(1000, pool_);
  EXPECT_EQ(Ask(pool_, cudaMemPoolAttrUsedMemCurrent), 1000u);
  EXPECT_EQ(Ask(standard, cudaMemPoolAttrUsedMemCurrent), before);
  ASSERT_CUDA(cudaMemsetAsync(p, 3, 1000, stream_));
  unsigned char back = 0;
  ASSERT_CUDA(cudaMemcpyAsync(&back, p, 1, cudaMemcpyDeviceToHost, stream_));
  EXPECT_EQ(back, 3);
  ASSERT_CUDA(cudaFreeAsync(p, stream_));
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_EQ(Ask(pool_, cudaMemPoolAttrUsedMemCurrent), 0u);
  EXPECT_EQ(Ask(pool_, cudaMemPoolAttrReservedMemCurrent), 0u);
}

TEST_F(PoolTest, TheLargestSizeIsALimit) {
  void* p = Take(kMaxBytes - 100, pool_);
  void* more = nullptr;
  EXPECT_CUDA(cudaErrorMemoryAllocation, cudaMallocFromPoolAsync(&more, 101, pool_, stream_));
  EXPECT_CUDA(cudaErrorMemoryAllocation,
              cudaMallocFromPoolAsync(&more, ~size_t{0} - 50, pool_, stream_));
  EXPECT_EQ(more, nullptr);
  more = Take(100, pool_);
  for (void* each : {p, more}) ASSERT_CUDA(cudaFreeAsync(each, stream_));
}

TEST_F(PoolTest, HighMarksStayUntilTheyAreReset) {
  void* p = Take(5000, pool_);
  ASSERT_CUDA(cudaFreeAsync(p, stream_));
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_EQ(Ask(pool_, cudaMemPoolAttrUsedMemHigh), 5000u);
  unsigned long long value = 7;
  EXPECT_CUDA(cudaErrorInvalidValue,
              cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrUsedMemHigh, &value));
  value = 0;
  ASSERT_CUDA(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrUsedMemHigh, &value));
  EXPECT_EQ(Ask(pool_, cudaMemPoolAttrUsedMemHigh), 0u);
  EXPECT_CUDA(cudaErrorInvalidValue,
              cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrUsedMemCurrent, &value));
}

TEST_F(PoolTest, AttributesAreKept) {
  unsigned long long threshold = 12345;
  ASSERT_CUDA(cudaMemPoolSetAttribute(pool_, cudaMemPoolAttrReleaseThreshold, &threshold));
  EXPECT_EQ(Ask(pool_, cudaMemPoolAttrReleaseThreshold), 12345u);
  for (const cudaMemPoolAttr reuse :
       {cudaMemPoolReuseFollowEventDependencies, cudaMemPoolReuseAllowOpportunistic,
        cudaMemPoolReuseAllowInternalDependencies}) {
    int flag = -1;
    ASSERT_CUDA(cudaMemPoolGetAttribute(pool_, reuse, &flag));
    EXPECT_EQ(flag, 1);
    flag = 0;
    ASSERT_CUDA(cudaMemPoolSetAttribute(pool_, reuse, &flag));
    flag = -1;
    ASSERT_CUDA(cudaMemPoolGetAttribute(pool_, reuse, &flag));
    EXPECT_EQ(flag, 0);
  }
  EXPECT_CUDA(cudaErrorInvalidValue,
              cudaMemPoolGetAttribute(pool_, static_cast<cudaMemPoolAttr>(99), &threshold));
}

TEST_F(PoolTest, TheDevicesPoolServesPlainCalls) {
  cudaMemPool_t current = nullptr;
  ASSERT_CUDA(cudaDeviceSetMemPool(0, pool_));
  ASSERT_CUDA(cudaDeviceGetMemPool(&current, 0));
  EXPECT_EQ(current, pool_);
  void* p = nullptr;
  ASSERT_CUDA(cudaMallocAsync(&p, 300, stream_));
  EXPECT_EQ(Ask(pool_, cudaMemPoolAttrUsedMemCurrent), 300u);
  // Destroyed while it is the device's and has memory in use: that stays until it is freed.
  ASSERT_CUDA(cudaMemPoolDestroy(pool_));
  ASSERT_CUDA(cudaDeviceGetMemPool(&current, 0));
  cudaMemPool_t standard = nullptr;
  ASSERT_CUDA(cudaDeviceGetDefaultMemPool(&standard, 0));
  EXPECT_EQ(current, standard);
  ASSERT_CUDA(cudaMemsetAsync(p, 1, 300, stream_));
  ASSERT_CUDA(cudaFreeAsync(p, stream_));
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaDeviceSetMemPool(0, pool_)) << "gone";
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemPoolDestroy(standard));
  pool_ = nullptr;
}

// What is in use stays where it is; the rest was never kept.
TEST_F(PoolTest, TrimmingTakesNothingThatIsUsed) {
  void* p = Take(4096, pool_);
  ASSERT_CUDA(cudaMemsetAsync(p, 5, 4096, stream_));
  ASSERT_CUDA(cudaMemPoolTrimTo(pool_, 0));
  unsigned char back = 0;
  ASSERT_CUDA(cudaMemcpyAsync(&back, p, 1, cudaMemcpyDeviceToHost, stream_));
  EXPECT_EQ(back, 5);
  EXPECT_EQ(Ask(pool_, cudaMemPoolAttrReservedMemCurrent), 4096u);
  ASSERT_CUDA(cudaFreeAsync(p, stream_));
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  ASSERT_CUDA(cudaMemPoolTrimTo(pool_, 0));
  EXPECT_EQ(Ask(pool_, cudaMemPoolAttrReservedMemCurrent), 0u);
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemPoolTrimTo(nullptr, 0));
}

TEST_F(PoolTest, MemoryIsFreedInTheOrderOfAnotherStream) {
  cudaStream_t other = nullptr;
  cudaEvent_t used = nullptr;
  ASSERT_CUDA(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
  ASSERT_CUDA(cudaEventCreateWithFlags(&used, cudaEventDisableTiming));
  void* p = Take(100, pool_);
  Gate gate;
  ASSERT_CUDA(gate.Queue(stream_));
  ASSERT_CUDA(cudaMemsetAsync(p, 4, 100, stream_));
  ASSERT_CUDA(cudaEventRecord(used, stream_));
  ASSERT_CUDA(cudaStreamWaitEvent(other, used, 0));
  ASSERT_CUDA(cudaFreeAsync(p, other));
  EXPECT_EQ(Ask(pool_, cudaMemPoolAttrUsedMemCurrent), 100u);
  gate.Open();
  ASSERT_CUDA(cudaStreamSynchronize(other));
  EXPECT_EQ(Ask(pool_, cudaMemPoolAttrUsedMemCurrent), 0u);
  ASSERT_CUDA(cudaStreamDestroy(other));
  ASSERT_CUDA(cudaEventDestroy(used));
}

TEST_F(PoolTest, AccessIsKeptByDevice) {
  cudaMemLocation own = {cudaMemLocationTypeDevice, 0}, peer = {cudaMemLocationTypeDevice, 1};
  cudaMemAccessFlags flags = cudaMemAccessFlagsProtNone;
  ASSERT_CUDA(cudaMemPoolGetAccess(&flags, pool_, &own));
  EXPECT_EQ(flags, cudaMemAccessFlagsProtReadWrite);
  ASSERT_CUDA(cudaMemPoolGetAccess(&flags, pool_, &peer));
  EXPECT_EQ(flags, cudaMemAccessFlagsProtNone);
  const cudaMemAccessDesc allowed = {peer, cudaMemAccessFlagsProtReadWrite};
  ASSERT_CUDA(cudaMemPoolSetAccess(pool_, &allowed, 1));
  ASSERT_CUDA(cudaMemPoolGetAccess(&flags, pool_, &peer));
  EXPECT_EQ(flags, cudaMemAccessFlagsProtReadWrite);
  const cudaMemAccessDesc nowhere = {{cudaMemLocationTypeDevice, 2}, cudaMemAccessFlagsProtRead};
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemPoolSetAccess(pool_, &nowhere, 1));
}

TEST_F(PoolTest, WhatIsNotUnderstoodIsRefused) {
  cudaMemPool_t pool = nullptr;
  cudaMemPoolProps properties = Properties(0);
  properties.handleTypes = cudaMemHandleTypePosixFileDescriptor;
  EXPECT_CUDA(cudaErrorNotSupported, cudaMemPoolCreate(&pool, &properties));
  properties = Properties(0);
  properties.location.type = cudaMemLocationTypeHost;
  EXPECT_CUDA(cudaErrorNotSupported, cudaMemPoolCreate(&pool, &properties));
  properties = Properties(0);
  properties.location.id = 2;
  EXPECT_CUDA(cudaErrorInvalidDevice, cudaMemPoolCreate(&pool, &properties));
  properties.allocType = cudaMemAllocationTypeInvalid;
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemPoolCreate(&pool, &properties));
  EXPECT_EQ(pool, nullptr);
  void* p = nullptr;
  int local = 0;
  EXPECT_CUDA(cudaErrorInvalidValue,
              cudaMallocFromPoolAsync(&p, 1, reinterpret_cast<cudaMemPool_t>(&local), stream_));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaFreeAsync(&local, stream_));
  EXPECT_CUDA(cudaErrorInvalidDevice, cudaDeviceGetMemPool(&pool, 2));
}

}  // namespace
}  // namespace emu
