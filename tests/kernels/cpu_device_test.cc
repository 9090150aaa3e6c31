// The CPU backend's memory, and the choice of instruction set and threads.
#include "kernels/cpu/cpu_device.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <thread>
#include <vector>

namespace switchyard::kernels::cpu {
namespace {

TEST(CpuDeviceTest, MemoryIsZeroedAndAlignedWhateverItsSize) {
  CpuDevice device(Isa::kPortable);
  for (const int64_t size : {int64_t{0}, int64_t{1}, int64_t{65}, int64_t{100000}, kHugePageBytes,
                             5 * kHugePageBytes + 77}) {
    const Buffer buffer = device.Allocate(size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer.data()) % 64, 0u);
    EXPECT_EQ(buffer.num_bytes(), size);
    const auto* bytes = static_cast<const uint8_t*>(buffer.data());
    for (int64_t i = 0; i < size; ++i) ASSERT_EQ(bytes[i], 0) << i << " of " << size;
  }
}

TEST(CpuDeviceTest, SmallBuffersDoNotOverlapAndOutliveTheDevice) {
  std::vector<Buffer> buffers;
  {
    CpuDevice device(Isa::kPortable);
    for (int i = 0; i < 200; ++i) {
      buffers.push_back(device.Allocate(500000));
      memset(buffers.back().data(), i, 500000);
    }
  }
  for (int i = 0; i < 200; ++i) {
    const auto* bytes = static_cast<const uint8_t*>(buffers[i].data());
    EXPECT_EQ(bytes[0], i);
    EXPECT_EQ(bytes[499999], i);
  }
}

// Of the buffer's pages, how many are there.
int64_t NumResident(const Buffer& buffer) {
  constexpr int64_t kPage = 4096;
  std::vector<unsigned char> there(static_cast<size_t>((buffer.num_bytes() + kPage - 1) / kPage));
  if (mincore(buffer.data(), static_cast<size_t>(buffer.num_bytes()), there.data()) != 0) return -1;
  return std::count_if(there.begin(), there.end(), [](unsigned char page) { return page & 1; });
}

TEST(CpuDeviceTest, MemoryAllocatedAheadComesWithoutATouchAndKeepsWhatWasWritten) {
  // Linux before 5.14 cannot: there memory comes at the first touch, and only its contents count.
  const bool comes_ahead = madvise(nullptr, 0, MADV_POPULATE_WRITE) == 0;
  constexpr int64_t kBytes = 9 * kHugePageBytes + 4096;
  CpuDevice device(Isa::kPortable);
  { const Buffer freed_before_its_turn = device.AllocateAhead(64 * kHugePageBytes); }
  const Buffer cold = device.Allocate(kBytes);
  const Buffer warm = device.AllocateAhead(kBytes);
  auto* bytes = static_cast<uint8_t*>(warm.data());
  bytes[kBytes - 1] = 7;
  while (comes_ahead && NumResident(warm) < kBytes / 4096) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // leaves the core to it
  }
  EXPECT_EQ(NumResident(cold), 0);
  EXPECT_EQ(bytes[kBytes - 1], 7);
  EXPECT_EQ(std::count(bytes, bytes + kBytes, 0), kBytes - 1);
}

TEST(CpuDeviceTest, EndsWhileMemoryIsStillComing) {
  CpuDevice device(Isa::kPortable);
  const Buffer small = device.AllocateAhead(100);
  const Buffer large = device.AllocateAhead(512 * kHugePageBytes);
}

TEST(CpuDeviceTest, CopiesBothWays) {
  CpuDevice device(Isa::kPortable);
  const Buffer buffer = device.Allocate(8);
  const int64_t sent = 0x0123456789abcdef;
  int64_t received = 0;
  device.CopyToDevice(buffer.data(), &sent, 8);
  device.CopyToHost(&received, buffer.data(), 8);
  EXPECT_EQ(received, sent);
}

TEST(CpuChoiceTest, AnInstructionSetIsChosenByNameOrTheBestOne) {
  EXPECT_EQ(*ChooseIsa("auto"), BestIsa());
  EXPECT_EQ(*ChooseIsa("portable"), Isa::kPortable);
  const auto wrong = ChooseIsa("avx1024");
  EXPECT_TRUE(absl::IsInvalidArgument(wrong.status()));
  EXPECT_NE(wrong.status().message().find("portable"), absl::string_view::npos);
}

TEST(CpuChoiceTest, ThreadCountsAreBounded) {
  EXPECT_GE(ChooseThreads({})->num_threads, 1);
  EXPECT_EQ(ChooseThreads({.num_threads = 7})->num_threads, 7);
  EXPECT_TRUE(absl::IsInvalidArgument(ChooseThreads({.num_threads = -1}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(ChooseThreads({.num_threads = 1000000}).status()));
}

}  // namespace
}  // namespace switchyard::kernels::cpu
