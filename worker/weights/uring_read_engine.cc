#include <liburing.h>

#include <cerrno>
#include <cstring>
#include <thread>
#include <unordered_map>
#include <utility>

#include "worker/weights/read_engine.h"

namespace switchyard::worker {
namespace {

// The reader keeps fewer pieces under way; the rest is a margin.
constexpr unsigned kEntries = 256;
constexpr uint64_t kCloseKey = 0;  // of the destructor's word

// The ring, and what its thread needs. It lives as long as a read may be under way.
struct Ring {
  ~Ring() {
    if (open) io_uring_queue_exit(&ring);
  }

  // Takes results out until the ring is closed and nothing is under way.
  void Reap() {
    while (true) {
      io_uring_cqe* cqe = nullptr;
      if (io_uring_wait_cqe(&ring, &cqe) != 0) continue;  // a signal
      const uint64_t key = cqe->user_data;
      const int64_t result = cqe->res;
      io_uring_cqe_seen(&ring, cqe);
      ReadOp op;  // its memory may be freed with it, outside of the lock
      bool last = false;
      {
        std::lock_guard lock(mutex);
        closed = closed || key == kCloseKey;
        if (auto node = ops.extract(key); !node.empty()) op = std::move(node.mapped());
        last = closed && ops.empty();
      }
      if (key != kCloseKey) results->Push({op.id, result});
      if (last) return;
    }
  }

  io_uring ring;
  bool open = false;
  const std::shared_ptr<ReadResults> results = std::make_shared<ReadResults>();
  std::mutex mutex;
  std::unordered_map<uint64_t, ReadOp> ops;  // under way, by key
  uint64_t next_key = kCloseKey + 1;
  bool closed = false;
};

class UringEngine final : public ReadEngine {
 public:
  UringEngine(std::shared_ptr<Ring> ring, int num_threads)
      : ring_(std::move(ring)), threads_(MakeThreadEngine(num_threads, ring_->results)) {
    std::thread([ring = ring_] { ring->Reap(); }).detach();
  }
  ~UringEngine() override { Queue(nullptr, kCloseKey); }

  std::string_view name() const override { return "io_uring"; }

  void Submit(const ReadOp& op) override {
    if (!op.direct || op.runs != 1) return threads_->Submit(op);
    uint64_t key = 0;
    {
      std::lock_guard lock(ring_->mutex);
      key = ring_->next_key++;
      ring_->ops.emplace(key, op);
    }
    // A read that the kernel refused stays listed: its memory is kept, it may begin later.
    if (const int error = Queue(&op, key); error != 0) ring_->results->Push({op.id, -error});
  }

  std::optional<ReadResult> Wait(std::chrono::milliseconds timeout) override {
    return ring_->results->Pop(timeout);
  }

 private:
  // A read, or the word to stop. 0, or an errno.
  int Queue(const ReadOp* op, uint64_t key) {
    io_uring_sqe* const sqe = io_uring_get_sqe(&ring_->ring);
    if (sqe == nullptr) return EBUSY;
    if (op == nullptr) {
      io_uring_prep_nop(sqe);
    } else {
      io_uring_prep_read(sqe, op->fd, op->out, static_cast<unsigned>(op->run_bytes),
                         static_cast<uint64_t>(op->offset));
    }
    sqe->user_data = key;
    int submitted = 0;
    do {
      submitted = io_uring_submit(&ring_->ring);
    } while (submitted == -EINTR || submitted == -EAGAIN || submitted == -EBUSY);
    return submitted < 0 ? -submitted : 0;
  }

  const std::shared_ptr<Ring> ring_;
  const std::unique_ptr<ReadEngine> threads_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<ReadEngine>> MakeUringEngine(int num_threads) {
  auto ring = std::make_shared<Ring>();
  if (const int error = io_uring_queue_init(kEntries, &ring->ring, 0); error != 0) {
    return absl::UnavailableError(
        fmt::format("io_uring cannot be used here: {}", std::strerror(-error)));
  }
  ring->open = true;
  return std::make_unique<UringEngine>(std::move(ring), num_threads);
}

std::unique_ptr<ReadEngine> MakeReadEngine(int num_threads) {
  absl::StatusOr<std::unique_ptr<ReadEngine>> uring = MakeUringEngine(num_threads);
  if (uring.ok()) return *std::move(uring);
  return MakeThreadEngine(num_threads);
}

}  // namespace switchyard::worker
