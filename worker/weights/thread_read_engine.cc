#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "base/check.h"
#include "worker/weights/read_engine.h"

namespace switchyard::worker {
namespace {

// Runs that are read together, and what lies between them: a call's parts are at most IOV_MAX.
constexpr int64_t kRunsAtOnce = 500;

// One long read brings several runs; what lies between them goes to a place that nobody reads.
int64_t ReadWithGaps(const ReadOp& op) {
  const int64_t gap = op.run_stride - op.run_bytes;
  const auto unread = std::make_unique_for_overwrite<std::byte[]>(static_cast<size_t>(gap));
  int64_t done = 0;
  for (int64_t run = 0; run < op.runs; run += kRunsAtOnce) {
    const int64_t runs = std::min(kRunsAtOnce, op.runs - run);
    std::vector<iovec> parts;
    for (int64_t i = run; i < run + runs; ++i) {
      if (i > run) parts.push_back({unread.get(), static_cast<size_t>(gap)});
      parts.push_back({op.out + i * op.run_bytes, static_cast<size_t>(op.run_bytes)});
    }
    const ssize_t count = preadv(op.fd, parts.data(), static_cast<int>(parts.size()),
                                 op.offset + run * op.run_stride);
    if (count < 0) return done > 0 ? done : -int64_t{errno};
    const int64_t came =
        count / op.run_stride * op.run_bytes + std::min(count % op.run_stride, op.run_bytes);
    done += came;
    if (came < runs * op.run_bytes) break;
  }
  return done;
}

int64_t ReadRuns(const ReadOp& op) {
  const int64_t gap = op.run_stride - op.run_bytes;
  if (op.runs > 1 && gap <= std::min(kMostGapBytes, kMostGapRuns * op.run_bytes)) {
    return ReadWithGaps(op);
  }
  int64_t done = 0;
  for (int64_t run = 0; run < op.runs; ++run) {
    const ssize_t count = pread(op.fd, op.out + run * op.run_bytes, size_t(op.run_bytes),
                                op.offset + run * op.run_stride);
    if (count < 0) return done > 0 ? done : -int64_t{errno};
    done += count;
    if (count < op.run_bytes) break;
  }
  return done;
}

// What the threads share: it lives as long as the last of them.
struct State {
  explicit State(std::shared_ptr<ReadResults> to) : results(std::move(to)) {}

  void Work() {
    while (true) {
      ReadOp op;
      {
        std::unique_lock lock(mutex);
        ready.wait(lock, [&] { return closed || !ops.empty(); });
        if (closed) return;
        op = std::move(ops.front());
        ops.pop_front();
      }
      results->Push({op.id, ReadRuns(op)});
    }
  }

  const std::shared_ptr<ReadResults> results;
  std::mutex mutex;
  std::condition_variable ready;
  std::deque<ReadOp> ops;
  bool closed = false;
};

class ThreadEngine final : public ReadEngine {
 public:
  ThreadEngine(int num_threads, std::shared_ptr<ReadResults> results)
      : state_(std::make_shared<State>(std::move(results))) {
    // Detached: a read that never ends, as on a dead network file system, holds its thread only.
    for (int i = 0; i < num_threads; ++i) std::thread([state = state_] { state->Work(); }).detach();
  }
  ~ThreadEngine() override {
    {
      std::lock_guard lock(state_->mutex);
      state_->closed = true;
    }
    state_->ready.notify_all();
  }

  std::string_view name() const override { return "preadv"; }
  void Submit(const ReadOp& op) override {
    {
      std::lock_guard lock(state_->mutex);
      state_->ops.push_back(op);
    }
    state_->ready.notify_one();
  }
  std::optional<ReadResult> Wait(std::chrono::milliseconds timeout) override {
    return state_->results->Pop(timeout);
  }

 private:
  const std::shared_ptr<State> state_;
};

}  // namespace

std::unique_ptr<ReadEngine> MakeThreadEngine(int num_threads,
                                             std::shared_ptr<ReadResults> results) {
  SY_CHECK_GE(num_threads, 1);
  if (results == nullptr) results = std::make_shared<ReadResults>();
  return std::make_unique<ThreadEngine>(num_threads, std::move(results));
}

}  // namespace switchyard::worker
