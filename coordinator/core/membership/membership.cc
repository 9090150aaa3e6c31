#include "coordinator/core/membership/membership.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>

#include "base/check.h"
#include "base/units.h"
#include "proto/load_progress.h"

namespace switchyard::core {
namespace {

constexpr size_t kMaxHostBytes = 253;            // the longest DNS name
constexpr size_t kMaxWordBytes = 64;             // backend, instruction set, version
constexpr int64_t kMaxBytes = int64_t{1} << 50;  // of a worker's memory
constexpr size_t kMaxReasonBytes = 1024;
constexpr size_t kMaxNamedRanks = 16;  // in one message

std::string Seconds(std::chrono::milliseconds duration) {
  return fmt::format("{:.1f} s", static_cast<double>(duration.count()) / 1000);
}

std::string_view WithOrWithout(const v1::WorkerHello& hello) {
  return hello.records_steps() ? "with" : "without";
}

std::string Where(const v1::WorkerHello& hello) {
  return fmt::format("host {}, pid {}", hello.host(), hello.pid());
}

std::string Who(int32_t rank, const v1::WorkerHello& hello) {
  return fmt::format("rank {} ({})", rank, Where(hello));
}

const char* PhaseName(v1::LoadPhase phase) {
  switch (phase) {
    case v1::LOAD_PHASE_READING_HEADERS:
      return "reading headers";
    case v1::LOAD_PHASE_LOADING_WEIGHTS:
      return "loading weights";
    case v1::LOAD_PHASE_RESTORING_WEIGHTS:
      return "loading weights from the packed cache";
    case v1::LOAD_PHASE_KEEPING_WEIGHTS:
      return "writing weights to the packed cache";
    case v1::LOAD_PHASE_CONNECTING_PEERS:
      return "connecting to its peers";
    case v1::LOAD_PHASE_READY:
      return "ready";
    default:
      return "starting";
  }
}

std::string DescribeProgress(const v1::LoadProgress& progress) {
  std::string text = PhaseName(progress.phase());
  if (MovesBytes(progress)) {
    text += fmt::format(", {} of {}", FormatBytes(progress.bytes_done()),
                        FormatBytes(progress.bytes_total()));
  }
  return text;
}

// Names end up in lines for operators.
bool HasControl(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return (c >= 0 && c < ' ') || c == 127; });
}

bool IsAhead(const v1::LoadProgress& a, const v1::LoadProgress& b) {
  return std::tuple(a.phase(), a.bytes_done()) > std::tuple(b.phase(), b.bytes_done());
}

}  // namespace

Membership::Membership(const MembershipConfig& config, Instant now)
    : config_(config), started_(now), detector_(config.max_silence) {
  SY_CHECK_GT(config.world, 0);
}

absl::Status Membership::CheckHello(const v1::WorkerHello& hello) const {
  const auto refuse = [](std::string reason) {
    return absl::FailedPreconditionError(std::move(reason));
  };
  if (state_ == v1::CLUSTER_STATE_FAILED) {
    return refuse(fmt::format("the cluster has failed, start it again: {}", Message(failure_)));
  }
  if (num_members() == config_.world || state_ != v1::CLUSTER_STATE_GATHERING) {
    return refuse(
        fmt::format("the cluster has all its {} workers; start it with more ranks", config_.world));
  }
  if (hello.host().size() > kMaxHostBytes || hello.backend().size() > kMaxWordBytes ||
      hello.isa().size() > kMaxWordBytes || hello.version().size() > kMaxWordBytes ||
      hello.memory_bytes() < 0 || HasControl(hello.host()) || HasControl(hello.backend()) ||
      HasControl(hello.isa()) || HasControl(hello.version())) {
    return refuse(
        "the worker's hello is malformed: overlong names, control characters or negative memory");
  }
  if (hello.version() != config_.version) {
    return refuse(
        fmt::format("the worker has version {}, the coordinator {}: install the same on both",
                    hello.version(), config_.version));
  }
  const int32_t wanted = hello.wanted_rank();
  if (wanted < -1 || wanted >= config_.world) {
    return refuse(fmt::format("rank {} does not exist: ranks go from 0 to {}, -1 asks for any",
                              wanted, config_.world - 1));
  }
  for (const Member* member : InOrder()) {
    const v1::WorkerHello& other = member->hello;
    if (wanted >= 0 && other.wanted_rank() == wanted) {
      return refuse(fmt::format("rank {} is taken by {}", wanted, Where(other)));
    }
    if (hello.backend() != other.backend() || hello.isa() != other.isa()) {
      return refuse(fmt::format(
          "the worker computes with {}/{}, the one at {} with {}/{}: all ranks must compute "
          "alike, or sums would differ",
          hello.backend(), hello.isa(), Where(other), other.backend(), other.isa()));
    }
    if (hello.records_steps() != other.records_steps()) {
      return refuse(fmt::format(
          "the worker runs {} CUDA graphs, the one at {} {}: say --cuda-graphs alike to "
          "all ranks, or their rows would differ",
          WithOrWithout(hello), Where(other), WithOrWithout(other)));
    }
  }
  return absl::OkStatus();
}

MembershipActions Membership::OnJoined(ConnectionId connection, const v1::WorkerHello& hello,
                                       Instant now) {
  if (members_.contains(connection)) {
    MembershipActions actions = OnLost(connection, "it said hello twice");
    actions.push_back(
        RefuseWorker{connection, absl::FailedPreconditionError("a second hello on one stream")});
    return actions;
  }
  if (const absl::Status fits = CheckHello(hello); !fits.ok())
    return {RefuseWorker{connection, fits}};
  members_[connection] = {
      .connection = connection, .join_order = next_join_order_++, .hello = hello};
  detector_.Watch(connection, now);
  if (num_members() < config_.world) return {};
  return AssignAll(now);
}

std::vector<const Membership::Member*> Membership::TentativeRanks() const {
  std::vector<const Member*> member_of_rank(config_.world, nullptr);
  const std::vector<const Member*> members = InOrder();
  for (const Member* member : members) {
    if (member->hello.wanted_rank() >= 0) member_of_rank[member->hello.wanted_rank()] = member;
  }
  auto free = member_of_rank.begin();
  for (const Member* member : members) {
    if (member->hello.wanted_rank() >= 0) continue;
    free = std::find(free, member_of_rank.end(), nullptr);
    *free = member;
  }
  return member_of_rank;
}

MembershipActions Membership::AssignAll(Instant now) {
  AssignRanks assign;
  const std::vector<const Member*> member_of_rank = TentativeRanks();
  assign.memory_bytes = member_of_rank[0]->hello.memory_bytes();
  backend_ = member_of_rank[0]->hello.backend();
  for (int32_t rank = 0; rank < config_.world; ++rank) {
    Member& member = members_.at(member_of_rank[rank]->connection);
    member.rank = rank;
    member.last_progress = now;
    assign.connection_of_rank.push_back(member.connection);
    assign.memory_bytes = std::min<int64_t>(assign.memory_bytes, member.hello.memory_bytes());
  }
  state_ = v1::CLUSTER_STATE_LOADING;
  return {std::move(assign)};
}

void Membership::SetPlan(uint64_t epoch, uint64_t plan_hash) {
  epoch_ = epoch;
  plan_hash_ = plan_hash;
}

MembershipActions Membership::OnLost(ConnectionId connection, std::string_view why) {
  return Remove(connection, "was lost", absl::UnavailableError(std::string(why)));
}

MembershipActions Membership::OnFault(ConnectionId connection, const absl::Status& fault) {
  return Remove(connection, "failed", fault);
}

MembershipActions Membership::Remove(ConnectionId connection, std::string_view what,
                                     const absl::Status& why) {
  const auto it = members_.find(connection);
  if (it == members_.end()) return {};
  const Member member = std::move(it->second);
  members_.erase(it);
  detector_.Forget(connection);
  if (state_ == v1::CLUSTER_STATE_GATHERING || leaving_) return {};
  const std::string when = state_ == v1::CLUSTER_STATE_LOADING && !member.ready
                               ? fmt::format(" while {}", DescribeProgress(member.progress))
                               : "";
  return Fail(
      absl::Status(why.code(), fmt::format("{} {}{}: {}", Who(member.rank, member.hello), what,
                                           when, Message(why).substr(0, kMaxReasonBytes))));
}

MembershipActions Membership::OnProgress(ConnectionId connection, const v1::LoadProgress& progress,
                                         Instant now) {
  OnHeard(connection, now);
  const auto it = members_.find(connection);
  if (it == members_.end()) return {};
  // Only what is new counts against the deadline: a worker that repeats itself is stuck.
  if (IsAhead(progress, it->second.progress)) it->second.last_progress = now;
  it->second.progress = progress;
  return {};
}

MembershipActions Membership::OnReady(ConnectionId connection, const v1::WorkerReady& ready,
                                      Instant now) {
  OnHeard(connection, now);
  const auto it = members_.find(connection);
  if (it == members_.end() || state_ == v1::CLUSTER_STATE_FAILED || it->second.ready) return {};
  Member& member = it->second;
  if (member.rank < 0) {
    const RefuseWorker refusal{connection,
                               absl::FailedPreconditionError("ready before a rank was given")};
    detector_.Forget(connection);
    members_.erase(it);
    return {refusal};
  }
  if (ready.epoch() != epoch_ || ready.plan_hash() != plan_hash_) {
    return Fail(absl::FailedPreconditionError(fmt::format(
        "{} loaded plan {:016x} of epoch {}, but the plan is {:016x} of epoch {}",
        Who(member.rank, member.hello), ready.plan_hash(), ready.epoch(), plan_hash_, epoch_)));
  }
  member.ready = true;
  member.progress.set_phase(v1::LOAD_PHASE_READY);
  for (const int64_t bytes :
       {ready.weight_bytes(), ready.kv_bytes(), ready.activation_bytes(), ready.exchange_bytes()}) {
    member.memory_bytes += std::clamp<int64_t>(bytes, 0, kMaxBytes);
  }
  if (++num_ready_ < config_.world) return {};
  state_ = v1::CLUSTER_STATE_SERVING;
  return {StartServing{}};
}

MembershipActions Membership::OnTick(Instant now) {
  if (state_ == v1::CLUSTER_STATE_FAILED || leaving_) return {};
  if (state_ == v1::CLUSTER_STATE_GATHERING) {
    if (now - started_ <= config_.gather_deadline) return {};
    return Fail(absl::DeadlineExceededError(
        fmt::format("only {} of {} workers came within {}: {}", num_members(), config_.world,
                    Seconds(config_.gather_deadline), DescribeMissing())));
  }
  if (const Member* stuck = FindStuck(now)) {
    return Fail(absl::DeadlineExceededError(
        fmt::format("{} made no progress for {} while {}", Who(stuck->rank, stuck->hello),
                    Seconds(now - stuck->last_progress), DescribeProgress(stuck->progress))));
  }
  for (const Member* member : InOrder()) {
    if (!member->ready || !detector_.IsSilent(member->connection, now)) continue;
    return Fail(absl::UnavailableError(
        fmt::format("{} was lost: silent for {}", Who(member->rank, member->hello),
                    Seconds(detector_.Silence(member->connection, now)))));
  }
  return {};
}

// The loading member that is past the deadline, if any; of several the least advanced, since the
// others may be waiting for it.
const Membership::Member* Membership::FindStuck(Instant now) const {
  Instant latest_progress = started_;
  for (const auto& [connection, member] : members_)
    latest_progress = std::max(latest_progress, member.last_progress);
  const Member* stuck = nullptr;
  for (const Member* member : InOrder()) {
    if (member->ready) continue;
    // Whoever connects to its peers waits until the slowest has loaded.
    const bool waits = member->progress.phase() == v1::LOAD_PHASE_CONNECTING_PEERS;
    if (now - (waits ? latest_progress : member->last_progress) <= config_.load_deadline) continue;
    if (stuck == nullptr || member->progress.phase() < stuck->progress.phase()) stuck = member;
  }
  return stuck;
}

MembershipActions Membership::Fail(absl::Status reason) {
  if (state_ == v1::CLUSTER_STATE_FAILED) return {};
  state_ = v1::CLUSTER_STATE_FAILED;
  failure_ = reason;
  return {FailCluster{std::move(reason)}};
}

std::vector<const Membership::Member*> Membership::InOrder() const {
  std::vector<const Member*> members;
  members.reserve(members_.size());
  for (const auto& [connection, member] : members_) members.push_back(&member);
  std::sort(members.begin(), members.end(), [](const Member* a, const Member* b) {
    return std::tuple(a->rank, a->join_order) < std::tuple(b->rank, b->join_order);
  });
  return members;
}

std::string Membership::DescribeMissing() const {
  const std::vector<const Member*> member_of_rank = TentativeRanks();
  std::vector<int32_t> missing;
  for (int32_t rank = 0; rank < config_.world; ++rank) {
    if (member_of_rank[rank] == nullptr) missing.push_back(rank);
  }
  const size_t named = std::min(missing.size(), kMaxNamedRanks);
  std::string text = fmt::format("missing rank{} {}", missing.size() == 1 ? "" : "s",
                                 fmt::join(missing.begin(), missing.begin() + named, ", "));
  if (missing.size() > named) text += fmt::format(" and {} more", missing.size() - named);
  std::vector<std::string> here;
  for (const Member* member : InOrder()) {
    if (here.size() < kMaxNamedRanks) here.push_back(Where(member->hello));
  }
  if (!here.empty()) text += fmt::format("; here: {}", fmt::join(here, "; "));
  return text;
}

std::string Membership::Detail() const {
  switch (state_) {
    case v1::CLUSTER_STATE_GATHERING:
      return fmt::format("{} of {} workers are here: {}", num_members(), config_.world,
                         DescribeMissing());
    case v1::CLUSTER_STATE_LOADING:
      return fmt::format("{} of {} ranks are ready", num_ready_, config_.world);
    case v1::CLUSTER_STATE_FAILED:
      return std::string(Message(failure_));
    default:
      return "";
  }
}

std::vector<v1::WorkerStatus> Membership::WorkerStatuses(Instant now) const {
  std::vector<v1::WorkerStatus> statuses;
  for (const Member* member : InOrder()) {
    v1::WorkerStatus& status = statuses.emplace_back();
    status.set_rank(member->rank);
    status.set_host(member->hello.host());
    status.set_pid(member->hello.pid());
    *status.mutable_progress() = member->progress;
    status.set_memory_bytes(member->memory_bytes);
    status.set_silent_ms(detector_.Silence(member->connection, now).count());
  }
  return statuses;
}

}  // namespace switchyard::core
