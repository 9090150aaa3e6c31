#include "worker/parallel/local_collectives.h"

#include <condition_variable>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>

namespace switchyard::worker {
namespace {

// Yields of a waiting thread before it sleeps: enough for peers in step where every rank has a
// core, few where ranks share.
int SpinTurns(int num_ranks) {
  return num_ranks <= static_cast<int>(std::thread::hardware_concurrency()) ? 200 : 20;
}

// A reusable barrier that can be broken once and for all.
class BreakableBarrier {
 public:
  BreakableBarrier(int num_ranks, std::chrono::milliseconds timeout)
      : spin_turns_(SpinTurns(num_ranks)), timeout_(timeout), here_(num_ranks) {}

  // OK on all ranks as soon as the last one has come, or the failure that broke the barrier before.
  absl::Status Arrive(int rank) {
    uint64_t generation = 0;
    {
      std::lock_guard lock(mutex_);
      if (!failure_.ok()) return failure_;
      if (Complete(rank, &generation)) return absl::OkStatus();
    }
    if (SpinUntilNext(generation)) return absl::OkStatus();
    std::unique_lock lock(mutex_);
    const bool done = changed_.wait_for(lock, timeout_, [&] {
      return generation_.load(std::memory_order_relaxed) != generation || !failure_.ok();
    });
    // Whoever completed the round did so under the lock and before any failure: then it stands for
    // all.
    if (generation_.load(std::memory_order_relaxed) != generation) return absl::OkStatus();
    if (!done) {
      BreakLocked(absl::DeadlineExceededError(
          fmt::format("no word within {} ms from rank {}", timeout_.count(), Missing())));
    }
    return failure_;
  }

  // For the end of a round that all have begun: waits for every rank whatever happens, because
  // peers still use this rank's memory.
  void ArriveAlways(int rank) {
    uint64_t generation = 0;
    {
      std::lock_guard lock(mutex_);
      if (Complete(rank, &generation)) return;
    }
    if (SpinUntilNext(generation)) return;
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return generation_.load(std::memory_order_relaxed) != generation; });
  }

  void Break(absl::Status failure) {
    std::lock_guard lock(mutex_);
    BreakLocked(std::move(failure));
  }

 private:
  // Counts this rank in; true if it was the last and has opened the barrier.
  bool Complete(int rank, uint64_t* generation) {
    *generation = generation_.load(std::memory_order_relaxed);
    here_[rank] = true;
    if (++num_arrived_ < std::ssize(here_)) return false;
    num_arrived_ = 0;
    here_.assign(here_.size(), false);
    generation_.store(*generation + 1, std::memory_order_release);
    changed_.notify_all();
    return true;
  }

  bool SpinUntilNext(uint64_t generation) const {
    for (int i = 0; i < spin_turns_; ++i) {
      if (generation_.load(std::memory_order_acquire) != generation) return true;
      std::this_thread::yield();
    }
    return false;
  }

  std::string Missing() const {
    std::vector<size_t> ranks;
    for (size_t rank = 0; rank < here_.size(); ++rank) {
      if (!here_[rank]) ranks.push_back(rank);
    }
    return fmt::format("{}", fmt::join(ranks, ", "));
  }

  void BreakLocked(absl::Status failure) {
    if (!failure_.ok()) return;
    failure_ = std::move(failure);
    changed_.notify_all();
  }

  const int spin_turns_;
  const std::chrono::milliseconds timeout_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<uint64_t> generation_{0};  // written under the mutex
  int64_t num_arrived_ = 0;
  std::vector<bool> here_;  // by rank: arrived in this round
  absl::Status failure_;
};

class LocalCollectives;

// What the ranks of one communicator share.
struct Group {
  Group(int size, std::chrono::milliseconds timeout) : barrier(size, timeout), ranks(size) {}
  BreakableBarrier barrier;
  std::vector<LocalCollectives*> ranks;
};

class LocalCollectives final : public Collectives {
 public:
  LocalCollectives(std::shared_ptr<Group> group, int rank, int size)
      : Collectives(rank, size), group_(std::move(group)) {
    group_->ranks[rank] = this;
  }
  ~LocalCollectives() override {
    group_->barrier.Break(absl::UnavailableError(fmt::format("rank {} has left", rank())));
  }

  void Abort() override {
    group_->barrier.Break(absl::CancelledError(fmt::format("rank {} aborted", rank())));
  }

 private:
  absl::Status DoExchange(std::string_view name, std::span<const Transfer> transfers) override {
    name_ = name;
    offers_ = transfers;
    SY_RETURN_IF_ERROR(Annotate(group_->barrier.Arrive(rank()), name));
    // All ranks see the same offers here, so all come to the same answer, and only copy if it is
    // good.
    absl::Status agreement = CheckAgreement();
    if (agreement.ok()) {
      for (int peer = 0; peer < size(); ++peer) Receive(peer);
    }
    group_->barrier.ArriveAlways(rank());
    return agreement;
  }

  void Receive(int peer) {
    const Transfer& here = offers_[peer];
    if (here.recv_bytes == 0) return;
    std::memcpy(here.recv, group_->ranks[peer]->offers_[rank()].send, here.recv_bytes);
  }

  absl::Status CheckAgreement() const {
    for (int a = 0; a < size(); ++a) {
      for (int b = 0; b < size(); ++b) SY_RETURN_IF_ERROR(CheckPair(a, b));
    }
    return absl::OkStatus();
  }

  absl::Status CheckPair(int sender, int receiver) const {
    const LocalCollectives& from = *group_->ranks[sender];
    const LocalCollectives& to = *group_->ranks[receiver];
    const int64_t sent = from.offers_[receiver].send_bytes;
    const int64_t expected = to.offers_[sender].recv_bytes;
    if (from.name_ == to.name_ && sent == expected) return absl::OkStatus();
    return absl::InternalError(
        fmt::format("ranks disagree: rank {} sends {} bytes in {}, rank {} expects {} bytes in {}",
                    sender, sent, from.name_, receiver, expected, to.name_));
  }

  const std::shared_ptr<Group> group_;
  // The offer of the call in progress; read by peers between the barriers.
  std::string_view name_;
  std::span<const Transfer> offers_;
};

}  // namespace

std::vector<std::unique_ptr<Collectives>> MakeLocalCollectives(
    int size, const LocalCollectivesOptions& options) {
  auto group = std::make_shared<Group>(size, options.timeout);
  std::vector<std::unique_ptr<Collectives>> ranks;
  for (int rank = 0; rank < size; ++rank) {
    ranks.push_back(std::make_unique<LocalCollectives>(group, rank, size));
  }
  return ranks;
}

}  // namespace switchyard::worker
