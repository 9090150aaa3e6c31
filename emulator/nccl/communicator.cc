#include "emulator/nccl/communicator.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "emulator/nccl/buffer_check.h"
#include "emulator/nccl/collectives.h"

namespace emu {
namespace {

// How often a waiting rank looks whether its peers live, where it is asked to.
constexpr std::chrono::milliseconds kPeerCheckInterval{50};

std::string RankAndProcess(const Segment& segment, int rank) {
  return "rank " + std::to_string(rank) + " (process " +
         std::to_string(segment.rank(rank).process.pid) + ")";
}

}  // namespace

Communicator::Communicator(int rank, int num_ranks, int device, const NcclOptions& options)
    : rank_(rank), num_ranks_(num_ranks), device_(device), options_(options) {}

Communicator::~Communicator() = default;

Outcome Communicator::Join(const ncclUniqueId& id,
                           const std::function<void()>& when_others_joined) {
  std::unique_ptr<Segment> segment;
  if (Outcome opened = Segment::Open(id, num_ranks_, &segment); !opened.ok()) return opened;
  {
    const std::lock_guard lock(error_mutex_);  // Abort may look for the segment from its thread
    segment_ = std::move(segment);
  }
  if (Outcome taken = TakePlace(); !taken.ok()) return taken;
  std::atomic<int32_t>& num_joined = segment_->header().num_joined;
  const bool others_came =
      when_others_joined == nullptr || Await([&] { return num_joined.load() == num_ranks_ - 1; });
  if (others_came && when_others_joined != nullptr) when_others_joined();
  num_joined.fetch_add(1);
  segment_->RingAll();
  if (!others_came || !Await([&] { return num_joined.load() >= num_ranks_; })) {
    if (async_error() != ncclSuccess) return {async_error(), error_text()};
    return {ncclInternalError, "aborted while other ranks were awaited"};
  }
  Segment::ReleaseComplete();  // the id may be this process's own
  return CheckDuplicateDevices();
}

Outcome Communicator::TakePlace() {
  RankBlock& block = segment_->rank(rank_);
  Presence absent = Presence::kAbsent;
  if (!block.presence.compare_exchange_strong(absent, Presence::kArriving)) {
    return {ncclInvalidUsage, "rank " + std::to_string(rank_) + " joins twice with one unique id"};
  }
  block.device = device_;
  block.process = ThisProcess();
  block.presence.store(Presence::kJoined);
  return {};
}

Outcome Communicator::CheckDuplicateDevices() const {
  const ProcessIdentity& self = segment_->rank(rank_).process;
  for (int r = 0; r < num_ranks_; ++r) {
    const RankBlock& other = segment_->rank(r);
    if (r != rank_ && other.process.pid == self.pid && other.device == device_) {
      return {ncclInvalidUsage, "ranks " + std::to_string(std::min(r, rank_)) + " and " +
                                    std::to_string(std::max(r, rank_)) +
                                    " of one process both use device " + std::to_string(device_)};
    }
  }
  return {};
}

void Communicator::Run(const std::vector<Operation>& operations) {
  const std::lock_guard lock(run_mutex_);
  if (destroyed_.load()) {
    std::fprintf(stderr,
                 "switchyard emulator: nccl: a graph replays operations of a communicator that was "
                 "destroyed (rank %d); they are left out\n",
                 rank_);
    return;
  }
  std::vector<Operation> point_to_point;
  for (const Operation& operation : operations) {
    if (HasEnded()) return;
    if (Outcome live = CheckLive(operation, rank_, num_ranks_); !live.ok()) {
      return Fail(live.code, live.text);
    }
    if (IsPointToPoint(operation.kind)) {
      point_to_point.push_back(operation);
    } else {
      RunCollective(this, operation);
    }
  }
  if (!point_to_point.empty() && !HasEnded()) RunPointToPoint(this, point_to_point);
  if (HasEnded()) return;
  for (const Operation& operation : operations) MarkReceived(operation, rank_, num_ranks_);
}

bool Communicator::Await(const std::function<bool()>& done) {
  return Wait(
      done, [this] { return HasEnded(); }, true);
}

bool Communicator::AwaitUnlessAborted(const std::function<bool()>& done, bool watches_peers) {
  return Wait(
      done, [this] { return is_aborted(); }, watches_peers);
}

bool Communicator::Wait(const std::function<bool()>& done, const std::function<bool()>& has_ended,
                        bool watches_peers) {
  Doorbell& doorbell = segment_->rank(rank_).doorbell;
  const bool watches = watches_peers && options_.dead_peer == DeadPeer::kError;
  for (;;) {
    const uint32_t ticket = doorbell.Ticket();
    if (done()) return true;
    if (has_ended() || (watches && SomePeerDied())) return false;
    doorbell.Wait(ticket, watches ? kPeerCheckInterval : std::chrono::milliseconds::zero());
  }
}

bool Communicator::SomePeerDied() {
  for (int r = 0; r < num_ranks_; ++r) {
    RankBlock& peer = segment_->rank(r);
    const Presence presence = peer.presence.load();
    const bool may_be_dead = r != rank_ && presence == Presence::kJoined;
    if (presence == Presence::kAborted || (may_be_dead && !IsAlive(peer.process))) {
      SetError(ncclRemoteError,
               RankAndProcess(*segment_, r) +
                   (presence == Presence::kAborted ? " has aborted" : " has ended"));
      return true;
    }
  }
  return false;
}

void Communicator::Abort() {
  aborted_.store(true);
  const std::lock_guard lock(error_mutex_);
  if (segment_ == nullptr) return;
  RankBlock& block = segment_->rank(rank_);
  Presence joined = Presence::kJoined;
  block.presence.compare_exchange_strong(joined, Presence::kAborted);
  block.doorbell.Ring();
}

void Communicator::Revoke() {
  revoked_.store(true);
  segment_->rank(rank_).doorbell.Ring();
}

void Communicator::Fail(ncclResult_t code, const std::string& text) {
  SharedHeader& header = segment_->header();
  if (header.failure_taken.exchange(1) == 0) {
    std::fprintf(stderr, "switchyard emulator: nccl: %s\n", text.c_str());
    const size_t length = std::min(text.size(), header.failure_text.size() - 1);
    std::memcpy(header.failure_text.data(), text.data(), length);
    header.failure_code.store(code, std::memory_order_release);
    segment_->RingAll();
  }
  SetError(code, text);
}

bool Communicator::HasEnded() {
  return is_aborted() || is_revoked() || async_error() != ncclSuccess;
}

void Communicator::MarkDestroyed() {
  destroyed_.store(true);
  if (segment_ == nullptr) return;
  Presence joined = Presence::kJoined;
  segment_->rank(rank_).presence.compare_exchange_strong(joined, Presence::kDestroyed);
}

void Communicator::WaitUntilIdle() { const std::lock_guard lock(run_mutex_); }

ncclResult_t Communicator::async_error() {
  if (async_error_.load() == ncclSuccess && segment_ != nullptr) {
    const SharedHeader& header = segment_->header();
    const uint32_t code = header.failure_code.load(std::memory_order_acquire);
    if (code != ncclSuccess) SetError(static_cast<ncclResult_t>(code), header.failure_text.data());
  }
  return async_error_.load();
}

std::string Communicator::error_text() const {
  const std::lock_guard lock(error_mutex_);
  return error_text_;
}

void Communicator::SetError(ncclResult_t code, const std::string& text) {
  const std::lock_guard lock(error_mutex_);
  if (async_error_.load() != ncclSuccess) return;
  error_text_ = text;
  async_error_.store(code);
}

}  // namespace emu
