// Memory, copies and what the host may assume about them. Runs with lazy streams.
#include <algorithm>
#include <cstring>

#include "emulator/cudart/enqueue.h"
#include "emulator/ptx/shadow_memory.h"
#include "tests/emulator/cudart/cuda_test.h"

namespace emu {
namespace {

class MemoryTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_CUDA(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    ASSERT_CUDA(cudaMalloc(&device_, kBytes));
    ASSERT_CUDA(cudaHostAlloc(&pinned_, kBytes, cudaHostAllocDefault));
  }
  void TearDown() override {
    EXPECT_CUDA(cudaSuccess, cudaFree(device_));
    EXPECT_CUDA(cudaSuccess, cudaFreeHost(pinned_));
    EXPECT_CUDA(cudaSuccess, cudaStreamDestroy(stream_));
    cudaGetLastError();
  }
  unsigned char* pinned() const { return static_cast<unsigned char*>(pinned_); }

  static constexpr size_t kBytes = 1000;
  cudaStream_t stream_ = nullptr;
  void* device_ = nullptr;
  void* pinned_ = nullptr;
};

// Pinned memory is read when the stream gets there: overwriting it before is the program's fault.
TEST_F(MemoryTest, PinnedSourcesAreReadLate) {
  std::memset(pinned_, 1, kBytes);
  ASSERT_CUDA(cudaMemcpyAsync(device_, pinned_, kBytes, cudaMemcpyHostToDevice, stream_));
  std::memset(pinned_, 2, kBytes);
  unsigned char back[kBytes];
  ASSERT_CUDA(cudaMemcpyAsync(back, device_, kBytes, cudaMemcpyDeviceToHost, stream_));
  EXPECT_EQ(back[0], 2);
}

TEST_F(MemoryTest, PageableSourcesAreTakenAtTheCall) {
  unsigned char source[kBytes];
  std::memset(source, 1, kBytes);
  ASSERT_CUDA(cudaMemcpyAsync(device_, source, kBytes, cudaMemcpyHostToDevice, stream_));
  std::memset(source, 2, kBytes);
  unsigned char back[kBytes];
  ASSERT_CUDA(cudaMemcpyAsync(back, device_, kBytes, cudaMemcpyDeviceToHost, stream_));
  EXPECT_EQ(back[999], 1) << "and a copy to pageable memory is done when the call returns";
}

TEST_F(MemoryTest, PinnedDestinationsArriveWhenSomebodyWaits) {
  std::memset(pinned_, 7, kBytes);
  ASSERT_CUDA(cudaMemsetAsync(device_, 9, kBytes, stream_));
  ASSERT_CUDA(cudaMemcpyAsync(pinned_, device_, kBytes, cudaMemcpyDeviceToHost, stream_));
  EXPECT_EQ(pinned()[0], 7);
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_EQ(pinned()[0], 9);
}

// A synchronous upload from pageable memory may still be on its way when it returns.
TEST_F(MemoryTest, UploadsAreNoBarrierForOtherStreams) {
  unsigned char source[kBytes] = {};
  ASSERT_CUDA(cudaMemcpy(device_, source, kBytes, cudaMemcpyHostToDevice));
  ASSERT_CUDA(cudaMemcpyAsync(pinned_, device_, kBytes, cudaMemcpyDeviceToHost, stream_));
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_EQ(pinned()[0], 0xFF) << "fresh memory's poison";
  ASSERT_CUDA(cudaDeviceSynchronize());
  ASSERT_CUDA(cudaMemcpyAsync(pinned_, device_, kBytes, cudaMemcpyDeviceToHost, stream_));
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_EQ(pinned()[0], 0);
}

TEST_F(MemoryTest, RangesAndDirectionsAreChecked) {
  unsigned char host[2 * kBytes] = {};
  auto* bytes = static_cast<unsigned char*>(device_);
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemcpy(device_, host, kBytes + 1, cudaMemcpyHostToDevice));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemcpy(bytes + 1, host, kBytes, cudaMemcpyDefault));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemcpy(host, device_, kBytes, cudaMemcpyHostToDevice));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemcpy(device_, host, 1, cudaMemcpyDeviceToDevice));
  EXPECT_CUDA(cudaErrorInvalidMemcpyDirection,
              cudaMemcpy(device_, host, 1, static_cast<cudaMemcpyKind>(7)));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemcpy(nullptr, host, 1, cudaMemcpyDefault));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemset(host, 0, 1));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemset(device_, 0, kBytes + 1));
  EXPECT_CUDA(cudaSuccess, cudaMemcpy(device_, host, 0, cudaMemcpyHostToDevice));
}

TEST_F(MemoryTest, RowsKeepTheirPitch) {
  void* pitched = nullptr;
  size_t pitch = 0;
  ASSERT_CUDA(cudaMallocPitch(&pitched, &pitch, 100, 3));
  EXPECT_EQ(pitch % 512, 0u);
  unsigned char in[300], out[300] = {};
  for (int i = 0; i < 300; ++i) in[i] = static_cast<unsigned char>(i);
  ASSERT_CUDA(cudaMemset2D(pitched, pitch, 0, pitch, 3));
  ASSERT_CUDA(cudaMemcpy2D(pitched, pitch, in, 100, 100, 3, cudaMemcpyHostToDevice));
  ASSERT_CUDA(cudaMemcpy2D(out, 100, pitched, pitch, 100, 3, cudaMemcpyDeviceToHost));
  EXPECT_TRUE(std::equal(in, in + 300, out));
  EXPECT_CUDA(cudaErrorInvalidPitchValue,
              cudaMemcpy2D(out, 99, pitched, pitch, 100, 3, cudaMemcpyDeviceToHost));
  const auto* part = static_cast<unsigned char*>(pitched) + pitch + 10;
  ASSERT_CUDA(cudaMemset2DAsync(pitched, pitch, 9, 1, 3, stream_));
  ASSERT_CUDA(cudaMemcpy2DAsync(out, 20, part, pitch, 20, 2, cudaMemcpyDeviceToHost, stream_));
  EXPECT_EQ(out[0], 110);
  EXPECT_EQ(out[39], static_cast<unsigned char>(229));
  ASSERT_CUDA(cudaMemcpy2D(out, 1, pitched, pitch, 1, 3, cudaMemcpyDeviceToHost));
  EXPECT_EQ(out[2], 9);
  EXPECT_CUDA(cudaErrorInvalidPitchValue, cudaMemset2DAsync(pitched, 99, 0, 100, 3, stream_));
  ASSERT_CUDA(cudaFree(pitched));
}

TEST_F(MemoryTest, SizesThatWrapAroundAreRefused) {
  constexpr size_t kHuge = ~size_t{0};
  void* p = nullptr;
  size_t pitch = 0;
  EXPECT_CUDA(cudaErrorMemoryAllocation, cudaMalloc(&p, kHuge));
  EXPECT_CUDA(cudaErrorMemoryAllocation, cudaMallocPitch(&p, &pitch, kHuge - 100, 1));
  EXPECT_CUDA(cudaErrorMemoryAllocation,
              cudaMallocPitch(&p, &pitch, size_t{1} << 32, size_t{1} << 32));
  char host = 0;
  EXPECT_CUDA(cudaErrorInvalidValue, cudaHostRegister(&host, kHuge, cudaHostRegisterDefault));
  // The last row would begin at the first.
  constexpr size_t kPitch = size_t{1} << 40, kRows = (size_t{1} << 24) + 1;
  EXPECT_CUDA(cudaErrorInvalidValue,
              cudaMemcpy2D(device_, kPitch, pinned_, kPitch, 4, kRows, cudaMemcpyHostToDevice));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemset2D(device_, kPitch, 0, 4, kRows));
}

TEST_F(MemoryTest, FreeingTwiceOrWhatIsNotYoursFails) {
  void* p = nullptr;
  ASSERT_CUDA(cudaMalloc(&p, 8));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaFree(static_cast<char*>(p) + 1));
  ASSERT_CUDA(cudaFree(p));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaFree(p));
  EXPECT_CUDA(cudaSuccess, cudaFree(nullptr));
  char host = 0;
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemcpy(&host, p, 1, cudaMemcpyDefault)) << "freed";
  EXPECT_CUDA(cudaErrorInvalidValue, cudaFreeHost(&host));
  EXPECT_CUDA(cudaErrorHostMemoryNotRegistered, cudaHostUnregister(&host));
}

TEST_F(MemoryTest, PointersKnowWhatTheyAre) {
  static char plain[64];
  cudaPointerAttributes attributes;
  ASSERT_CUDA(cudaPointerGetAttributes(&attributes, static_cast<char*>(device_) + 10));
  EXPECT_EQ(attributes.type, cudaMemoryTypeDevice);
  EXPECT_EQ(attributes.device, 0);
  ASSERT_CUDA(cudaPointerGetAttributes(&attributes, pinned_));
  EXPECT_EQ(attributes.type, cudaMemoryTypeHost);
  ASSERT_CUDA(cudaPointerGetAttributes(&attributes, plain));
  EXPECT_EQ(attributes.type, cudaMemoryTypeUnregistered);
  ASSERT_CUDA(cudaHostRegister(plain, sizeof plain, cudaHostRegisterDefault));
  EXPECT_CUDA(cudaErrorHostMemoryAlreadyRegistered, cudaHostRegister(plain + 8, 8, 0));
  ASSERT_CUDA(cudaPointerGetAttributes(&attributes, plain + 63));
  EXPECT_EQ(attributes.type, cudaMemoryTypeHost);
  void* on_device = nullptr;
  ASSERT_CUDA(cudaHostGetDevicePointer(&on_device, plain + 8, 0));
  EXPECT_EQ(on_device, plain + 8) << "kernels reach it at its own address";
  EXPECT_CUDA(cudaErrorInvalidValue, cudaHostGetDevicePointer(&on_device, device_, 0));
  ASSERT_CUDA(cudaHostUnregister(plain));
  void* managed = nullptr;
  ASSERT_CUDA(cudaMallocManaged(&managed, 100, cudaMemAttachGlobal));
  ASSERT_CUDA(cudaPointerGetAttributes(&attributes, managed));
  EXPECT_EQ(attributes.type, cudaMemoryTypeManaged);
  const cudaMemLocation here = {cudaMemLocationTypeDevice, 0};
  EXPECT_CUDA(cudaSuccess, cudaMemPrefetchAsync(managed, 100, here, 0, stream_));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemPrefetchAsync(managed, 101, here, 0, stream_));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemPrefetchAsync(device_, 8, here, 0, stream_));
  EXPECT_CUDA(cudaSuccess, cudaMemAdvise(managed, 100, cudaMemAdviseSetReadMostly, here));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaMemAdvise(plain, 8, cudaMemAdviseSetReadMostly, here));
  ASSERT_CUDA(cudaFree(managed));
}

TEST_F(MemoryTest, InfoCountsWhatIsLive) {
  size_t free = 0, total = 0, less = 0;
  ASSERT_CUDA(cudaMemGetInfo(&free, &total));
  EXPECT_EQ(total, size_t{64} << 20) << "memory=64M";
  void* p = nullptr;
  ASSERT_CUDA(cudaMalloc(&p, 1 << 20));
  ASSERT_CUDA(cudaMemGetInfo(&less, nullptr));
  EXPECT_EQ(free - less, size_t{1} << 20);
  void* too_much = nullptr;
  EXPECT_CUDA(cudaErrorMemoryAllocation, cudaMalloc(&too_much, total));
  EXPECT_EQ(too_much, nullptr);
  EXPECT_CUDA(cudaErrorMemoryAllocation, cudaGetLastError());
  ASSERT_CUDA(cudaFree(p));
}

// What the layer above may ask and say: libnccl.so.2 checks its buffers, and marks what it wrote.
TEST_F(MemoryTest, TheLayerAboveKnowsWhatIsLiveAndWritten) {
  EXPECT_TRUE(switchyard_emulator_is_live(device_, kBytes));
  EXPECT_FALSE(switchyard_emulator_is_live(device_, kBytes + 1));
  EXPECT_FALSE(switchyard_emulator_is_live(this, 1));
  ShadowMemory(device_, kBytes);
  uint64_t first = 0;
  const auto address = reinterpret_cast<uint64_t>(device_);
  switchyard_emulator_mark_written(device_, 10);
  EXPECT_TRUE(FindUnwritten(address, kBytes, &first));
  EXPECT_EQ(first, address + 10);
  switchyard_emulator_mark_written(device_, kBytes);
  EXPECT_FALSE(FindUnwritten(address, kBytes, &first));
}

TEST_F(MemoryTest, PoolMemoryLivesInStreamOrder) {
  void* p = nullptr;
  ASSERT_CUDA(cudaMallocAsync(&p, kBytes, stream_));
  ASSERT_CUDA(cudaMemsetAsync(p, 3, kBytes, stream_));
  ASSERT_CUDA(cudaMemcpyAsync(pinned_, p, kBytes, cudaMemcpyDeviceToHost, stream_));
  ASSERT_CUDA(cudaFreeAsync(p, stream_));
  EXPECT_CUDA(cudaErrorInvalidValue, cudaFreeAsync(p, stream_));
  cudaMemPool_t pool = nullptr;
  ASSERT_CUDA(cudaDeviceGetDefaultMemPool(&pool, 0));
  unsigned long long used = 0;
  ASSERT_CUDA(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used));
  EXPECT_EQ(used, kBytes) << "the free is still queued";
  ASSERT_CUDA(cudaStreamSynchronize(stream_));
  EXPECT_EQ(pinned()[kBytes - 1], 3);
  ASSERT_CUDA(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used));
  EXPECT_EQ(used, 0u);
  ASSERT_CUDA(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemHigh, &used));
  EXPECT_GE(used, kBytes);
}

// The memory of an allocation in one stream is not there for another that does not wait.
TEST_F(MemoryTest, UseOfPoolMemoryInAnUnorderedStreamIsFatal) {
  cudaStream_t other = nullptr;
  ASSERT_CUDA(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
  void* p = nullptr;
  ASSERT_CUDA(cudaMallocAsync(&p, kBytes, stream_));
  ASSERT_CUDA(cudaMemsetAsync(p, 3, kBytes, other));
  EXPECT_CUDA(cudaErrorIllegalAddress, cudaStreamSynchronize(other));
  EXPECT_CUDA(cudaErrorIllegalAddress, cudaGetLastError());
  EXPECT_CUDA(cudaErrorIllegalAddress, cudaGetLastError()) << "it stays";
  EXPECT_CUDA(cudaErrorIllegalAddress, cudaMalloc(&p, 1));
  ASSERT_CUDA(cudaDeviceReset());
  EXPECT_CUDA(cudaSuccess, cudaGetLastError());
  SetUp();
}

}  // namespace
}  // namespace emu
