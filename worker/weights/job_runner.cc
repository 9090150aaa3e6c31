#include "worker/weights/job_runner.h"

#include <algorithm>
#include <mutex>
#include <thread>
#include <vector>

#include "base/check.h"

namespace switchyard::worker {
namespace {

// What the threads share.
class JobQueue {
 public:
  JobQueue(int64_t num_jobs, const std::atomic<bool>* cancel)
      : num_jobs_(num_jobs), failed_job_(num_jobs), cancel_(cancel) {}

  void Work(const std::function<absl::Status(int64_t, int)>& run, int thread) {
    while (!stopped_.load(std::memory_order_relaxed)) {
      const int64_t job = next_job_.fetch_add(1, std::memory_order_relaxed);
      if (job >= num_jobs_) return;
      const bool cancelled = cancel_ != nullptr && cancel_->load(std::memory_order_relaxed);
      absl::Status status = cancelled ? absl::CancelledError("cancelled") : run(job, thread);
      if (!status.ok()) Fail(job, std::move(status));
    }
  }

  absl::Status status() const { return status_; }

 private:
  void Fail(int64_t job, absl::Status status) {
    std::lock_guard lock(mutex_);
    stopped_.store(true, std::memory_order_relaxed);
    if (job >= failed_job_) return;
    failed_job_ = job;
    status_ = std::move(status);
  }

  const int64_t num_jobs_;
  std::atomic<int64_t> next_job_{0};
  std::atomic<bool> stopped_{false};
  std::mutex mutex_;
  int64_t failed_job_;
  absl::Status status_;
  const std::atomic<bool>* const cancel_;
};

}  // namespace

int NumThreads(int wanted) {
  return wanted > 0 ? wanted : std::max(1, int(std::thread::hardware_concurrency()));
}

absl::Status RunJobs(int64_t num_jobs, const JobRunnerOptions& options,
                     const std::function<absl::Status(int64_t job, int thread)>& run) {
  SY_CHECK_GE(options.num_threads, 1);
  JobQueue queue(num_jobs, options.cancel);
  std::vector<std::thread> threads;
  const int num_threads = int(std::min<int64_t>(options.num_threads, num_jobs));
  for (int i = 1; i < num_threads; ++i) {
    threads.emplace_back([&queue, &run, i] { queue.Work(run, i); });
  }
  queue.Work(run, 0);  // the caller's thread is one of them
  for (std::thread& thread : threads) thread.join();
  return queue.status();
}

}  // namespace switchyard::worker
