// The edge to the operating system's reads: several at once, each answered when it is done. By
// io_uring where the kernel lets us, and by threads that wait in preadv.
#ifndef SWITCHYARD_WORKER_WEIGHTS_READ_ENGINE_H_
#define SWITCHYARD_WORKER_WEIGHTS_READ_ENGINE_H_

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/status.h"
#include "base/units.h"

namespace switchyard::worker {

// `runs` stretches of `run_bytes`, `run_stride` apart in the file, one behind the other in memory.
// Several runs with small gaps come in one long read, gaps included, which go nowhere: the disk
// sees long reads, and the gaps are what other ranks of the host want, who then find them in the
// page cache.
struct ReadOp {
  uint64_t id = 0;  // of the caller's choice, told with the result
  int fd = -1;
  int64_t offset = 0;
  std::byte* out = nullptr;
  int64_t run_bytes = 0;
  int64_t runs = 1;
  int64_t run_stride = 0;
  bool direct = false;  // the file is open for direct reads
  // Keeps the memory at `out` for as long as the system may write there, whoever gave up waiting.
  std::shared_ptr<void> memory;
};

// Gaps that are read with their runs: a disk reads as much in the time of a seek, and to copy them
// costs little beside it.
inline constexpr int64_t kMostGapBytes = 256 * kKiB;
inline constexpr int64_t kMostGapRuns = 7;  // times as long as a run

// Bytes that came, all runs together, from the first on: fewer than asked for where the file ends
// or the system felt like it, 0 at the file's end. Or an errno, negated.
struct ReadResult {
  uint64_t id = 0;
  int64_t result = 0;
};

// Thread: one caller.
class ReadEngine {
 public:
  virtual ~ReadEngine() = default;  // does not wait for reads that are under way
  virtual std::string_view name() const = 0;
  // Does not wait.
  virtual void Submit(const ReadOp& op) = 0;
  // A result, in no order; nothing after `timeout`.
  virtual std::optional<ReadResult> Wait(std::chrono::milliseconds timeout) = 0;
};

// Where threads leave results.
class ReadResults {
 public:
  void Push(ReadResult result) {
    {
      std::lock_guard lock(mutex_);
      results_.push_back(result);
    }
    ready_.notify_one();
  }
  std::optional<ReadResult> Pop(std::chrono::milliseconds timeout) {
    std::unique_lock lock(mutex_);
    if (!ready_.wait_for(lock, timeout, [&] { return !results_.empty(); })) return std::nullopt;
    const ReadResult result = results_.front();
    results_.pop_front();
    return result;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<ReadResult> results_;  // no more than the caller has under way
};

// Threads in preadv.
std::unique_ptr<ReadEngine> MakeThreadEngine(int num_threads,
                                             std::shared_ptr<ReadResults> results = nullptr);

// Direct reads by io_uring, others by threads: data of the page cache is copied by a CPU, whoever
// asks. UNAVAILABLE where the kernel, or the container, has no io_uring.
absl::StatusOr<std::unique_ptr<ReadEngine>> MakeUringEngine(int num_threads);

// The second, or the first where there is no io_uring.
std::unique_ptr<ReadEngine> MakeReadEngine(int num_threads);

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_READ_ENGINE_H_
