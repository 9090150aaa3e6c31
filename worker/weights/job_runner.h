// Independent jobs on a few threads: for work that waits for disks, or that a command does once.
#ifndef SWITCHYARD_WORKER_WEIGHTS_JOB_RUNNER_H_
#define SWITCHYARD_WORKER_WEIGHTS_JOB_RUNNER_H_

#include <atomic>
#include <cstdint>
#include <functional>

#include "base/status.h"

namespace switchyard::worker {

struct JobRunnerOptions {
  int num_threads = 1;
  // Jobs not yet begun are left out once this is true, and the answer is CANCELLED. May be null.
  const std::atomic<bool>* cancel = nullptr;
};

// `wanted`, or one thread per CPU where it is 0.
int NumThreads(int wanted);

// Calls run(job, thread) for job = 0..num_jobs-1, begun in this order; `thread` < num_threads tells
// which thread it is on, for scratch memory. Returns when all begun jobs have ended. After a
// failure no new job begins; the answer is the failure of the lowest job that failed.
absl::Status RunJobs(int64_t num_jobs, const JobRunnerOptions& options,
                     const std::function<absl::Status(int64_t job, int thread)>& run);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_JOB_RUNNER_H_
