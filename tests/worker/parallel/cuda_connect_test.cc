// How long a GPU's rank waits for peers that do not come.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "worker/cuda_module.h"
#include "worker/parallel/rendezvous.h"

namespace switchyard::worker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

class CudaConnect : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Backend>> backend = MakeCudaBackend(0, 1);
    ASSERT_TRUE(backend.ok()) << backend.status();
    backend_ = *std::move(backend);
  }

  // Of a communicator of two whose other rank never comes.
  absl::Status ConnectAlone(CommunicatorOptions options) {
    options.name = fmt::format("alone-{}", options.rank);
    options.size = 2;
    return backend_->Connect(store_, options).status();
  }

  LocalRendezvous store_;
  std::unique_ptr<Backend> backend_;
};

TEST_F(CudaConnect, APeerThatDoesNotComeIsMissedAtTheDeadline) {
  const absl::Status status = ConnectAlone({.connect_timeout = milliseconds(300)});
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
}

// A coordinator that has lost a worker says so long before NCCL's deadline.
TEST_F(CudaConnect, WhoeverWaitsCanBeToldToGiveUp) {
  for (const int rank : {0, 1}) {  // who makes the communicator's id, and who waits for it
    std::atomic<bool> over{false};
    const Clock::time_point begin = Clock::now();
    std::jthread teller([&] {
      std::this_thread::sleep_for(milliseconds(100));
      over = true;
    });
    const absl::Status status =
        ConnectAlone({.rank = rank, .connect_timeout = seconds(60), .given_up = [&over] {
                        return over.load();
                      }});
    EXPECT_TRUE(absl::IsCancelled(status)) << status;
    EXPECT_LT(Clock::now() - begin, seconds(30));
  }
}

}  // namespace
}  // namespace switchyard::worker
