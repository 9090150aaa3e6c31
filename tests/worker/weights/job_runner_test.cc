#include "worker/weights/job_runner.h"

#include <gtest/gtest.h>

#include <vector>

namespace switchyard::worker {
namespace {

TEST(RunJobs, RunsEachJobOnce) {
  for (int num_threads : {1, 3, 100}) {
    std::vector<std::atomic<int>> runs(50);
    std::atomic<int> highest_thread = 0;
    ASSERT_TRUE(RunJobs(50, {.num_threads = num_threads}, [&](int64_t job, int thread) {
                  ++runs[job];
                  int seen = highest_thread;
                  while (seen < thread && !highest_thread.compare_exchange_weak(seen, thread)) {
                  }
                  return absl::OkStatus();
                }).ok());
    for (const auto& count : runs) EXPECT_EQ(count, 1);
    EXPECT_LT(highest_thread, num_threads);
  }
}

TEST(RunJobs, TheLowestFailureIsTheAnswerAndEndsTheRest) {
  std::atomic<int> num_runs = 0;
  const absl::Status status = RunJobs(1'000'000, {.num_threads = 4}, [&](int64_t job, int) {
    ++num_runs;
    return job < 10 ? absl::OkStatus() : absl::DataLossError(fmt::format("job {}", job));
  });
  EXPECT_EQ(Message(status), "job 10");
  EXPECT_LE(num_runs, 10 + 4);
}

TEST(RunJobs, CancelledBeforeTheFirst) {
  const std::atomic<bool> cancel = true;
  int num_runs = 0;
  const absl::Status status = RunJobs(3, {.num_threads = 1, .cancel = &cancel}, [&](int64_t, int) {
    ++num_runs;
    return absl::OkStatus();
  });
  EXPECT_EQ(status.code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(num_runs, 0);
}

TEST(RunJobs, NoJobsIsDone) {
  EXPECT_TRUE(RunJobs(0, {}, [](int64_t, int) { return absl::InternalError("ran"); }).ok());
}

}  // namespace
}  // namespace switchyard::worker
