// The ends of a worker's life that need no coordinator.
#include "worker/worker.h"

#include <gtest/gtest.h>

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

}  // namespace
}  // namespace switchyard::worker
