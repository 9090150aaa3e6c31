// Uploads beside the host's work: every byte arrives before the ops behind it, whatever the order
// of threads and pieces.
#include "kernels/cuda/upload_lane.h"

#include <algorithm>
#include <thread>
#include <vector>

#include "tests/kernels/cuda/cuda_fixture.h"

namespace switchyard::kernels {
namespace {

using cuda::UploadLane;

class CudaUploadLane : public CudaTest {
 protected:
  // Pieces of `bytes` from `first` on, each of one value, to their places of `to`.
  static void SendAll(UploadLane& lane, const Buffer& to, int first, int count, int64_t bytes) {
    for (int i = first; i < first + count; ++i) {
      UploadLane::Piece* const piece = lane.Take(bytes);
      std::fill_n(piece->host, bytes, static_cast<std::byte>(i + 1));
      lane.Send(piece, static_cast<std::byte*>(to.data()) + i * bytes, bytes);
    }
  }

  void ExpectAll(const Buffer& from, int count, int64_t bytes) {
    std::vector<std::byte> got(static_cast<size_t>(count * bytes));
    device_->CopyToHost(got.data(), from.data(), std::ssize(got));  // behind the ops' stream
    for (int i = 0; i < count; ++i) {
      const auto begin = got.begin() + i * bytes;
      EXPECT_EQ(std::count(begin, begin + bytes, static_cast<std::byte>(i + 1)), bytes) << i;
    }
  }
};

TEST_F(CudaUploadLane, MorePiecesThanThereAreArriveInTheirPlaces) {
  constexpr int kCount = 3 * int{UploadLane::kMostPieces};
  UploadLane lane(*device_);
  const Buffer to = device_->Allocate(kCount * 1000);
  SendAll(lane, to, 0, kCount, 1000);
  ExpectAll(to, kCount, 1000);
}

TEST_F(CudaUploadLane, ThreadsShareIt) {
  constexpr int kThreads = 4, kOfThread = 12;
  UploadLane lane(*device_);
  const Buffer to = device_->Allocate(kThreads * kOfThread * 512);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] { SendAll(lane, to, i * kOfThread, kOfThread, 512); });
  }
  for (std::thread& thread : threads) thread.join();
  ExpectAll(to, kThreads * kOfThread, 512);
}

TEST_F(CudaUploadLane, APieceGrowsWhereMoreIsAsked) {
  UploadLane lane(*device_);
  const int64_t bytes = UploadLane::kPieceBytes + 4096;
  const Buffer to = device_->Allocate(bytes);
  SendAll(lane, to, 0, 1, 64);
  device_->Synchronize();
  SendAll(lane, to, 0, 1, bytes);
  ExpectAll(to, 1, bytes);
}

}  // namespace
}  // namespace switchyard::kernels
