// The ends of a worker's life that need no coordinator.
#include "worker/worker.h"

#include <gtest/gtest.h>

#include "worker/load_rate.h"

namespace switchyard::worker {
namespace {

TEST(Worker, EndsWhenNoCoordinatorAnswers) {
  const std::atomic<bool> stop{false};
  const absl::Status status = RunWorker(
      {.coordinator = "127.0.0.1:1", .num_threads = 1, .isa = "portable", .connect_seconds = 0},
      stop);
  EXPECT_TRUE(absl::IsDeadlineExceeded(status)) << status;
  EXPECT_NE(Message(status).find("127.0.0.1:1"), std::string_view::npos) << status;
}

TEST(Worker, EndsAtASignalWhileItWaitsForItsCoordinator) {
  const std::atomic<bool> stop{true};
  const absl::Status status =
      RunWorker({.coordinator = "127.0.0.1:1", .num_threads = 1, .isa = "portable"}, stop);
  EXPECT_TRUE(absl::IsCancelled(status)) << status;
}

TEST(LoadRate, IsThatOfTheLastSeconds) {
  using std::chrono::milliseconds;
  LoadRate rate;
  const LoadRate::Time start;
  EXPECT_EQ(rate.Update(start, 0), 0);
  EXPECT_EQ(rate.Update(start + milliseconds(500), 1000), 2000);
  EXPECT_EQ(rate.Update(start + milliseconds(1000), 1000), 1000);
  // Ten seconds at another pace: what was before is forgotten.
  double last = 0;
  for (int i = 1; i <= 100; ++i) {
    last = rate.Update(start + milliseconds(1000 + 100 * i), 1000 + 5 * i);
  }
  EXPECT_NEAR(last, 50, 1);
  // A pause shows before the window is over.
  EXPECT_LT(rate.Update(start + milliseconds(15'000), 1500), 25);
}

}  // namespace
}  // namespace switchyard::worker
