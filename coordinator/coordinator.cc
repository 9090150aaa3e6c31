#include "coordinator/coordinator.h"

#include <fmt/ranges.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace switchyard {
namespace {

using core::Instant;
using std::chrono::milliseconds;

constexpr size_t kMaxQueuedEvents = 16384;
constexpr size_t kMaxQueuedWithSubmission = kMaxQueuedEvents / 2;  // the rest is for the workers
constexpr int kMaxEventsInARow = 1024;  // then plans and deadlines have their turn
constexpr milliseconds kTickInterval(100);
constexpr milliseconds kHeartbeatInterval(500);
constexpr milliseconds kAccusationGrace(1000);
// Connections of no member of the cluster, at most: some for workers that are refused, some for
// strangers.
constexpr size_t kMaxOutsiders = 64;

// Names one start of a cluster in the rendezvous table.
std::string RandomSession() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

}  // namespace

Instant Coordinator::InstantOf(std::chrono::steady_clock::time_point time) {
  return std::chrono::duration_cast<Instant>(time.time_since_epoch());
}

Instant Coordinator::Now() { return InstantOf(std::chrono::steady_clock::now()); }

Coordinator::Coordinator(CoordinatorOptions options)
    : options_(std::move(options)),
      workers_(*this, {.max_connections = 2 * options_.membership.world + kMaxOutsiders,
                       .max_strangers = options_.membership.world + kMaxOutsiders}),
      events_(kMaxQueuedEvents),
      membership_(options_.membership, Now()) {
  PublishStatus();
}

Coordinator::~Coordinator() = default;

absl::Status Coordinator::Run() {
  Instant next_tick = Now() + kTickInterval;
  while (!end_.has_value()) {
    std::optional<Event> event = events_.Pop(std::chrono::steady_clock::time_point(next_tick));
    for (int n = 0; event.has_value() && !end_.has_value(); ++n) {
      std::visit([this](auto&& e) { Handle(std::move(e)); }, *std::move(event));
      if (n == kMaxEventsInARow) break;
      event = events_.Pop({});  // what else has come meanwhile
    }
    if (Now() >= next_tick) {
      OnTick();
      next_tick = Now() + kTickInterval;
    }
    if (end_.has_value()) break;
    EndLateRequests();
    StartSteps();
  }
  events_.Close();
  while (std::optional<Event> event = events_.Pop({})) {  // requests that came too late
    if (auto* submission = std::get_if<Submission>(&*event)) Handle(std::move(*submission));
  }
  return *end_;
}

void Coordinator::Drain() { events_.Push(DrainWanted{}); }

absl::Status Coordinator::Submit(core::NewRequest request,
                                 std::shared_ptr<core::RequestListener> listener) {
  {
    std::lock_guard lock(status_mutex_);
    // What follows may have its place: Handle knows.
    const bool finishes = status_.state() == v1::CLUSTER_STATE_DRAINING && request.follows != 0;
    if (status_.state() != v1::CLUSTER_STATE_SERVING && !finishes) {
      return absl::UnavailableError(
          fmt::format("the cluster does not serve: {}", status_.detail()));
    }
  }
  // Before any of its answers is on its way: those that follow it would be told to try later.
  SY_RETURN_IF_ERROR(core::QueuePlaces::CheckFits(request, options_.max_waiting));
  const Instant arrived = request.arrived ? InstantOf(*request.arrived) : Now();
  if (events_.size() >= kMaxQueuedWithSubmission ||
      !events_.TryPush(Submission{std::move(request), std::move(listener), arrived})) {
    return absl::ResourceExhaustedError("too many requests wait; try again later");
  }
  return absl::OkStatus();
}

void Coordinator::Cancel(core::RequestId id) { events_.Push(Cancellation{id}); }

void Coordinator::Stop(core::RequestId id) {
  events_.Push(Cancellation{id, /*others_follow=*/true});
}

v1::StatusResponse Coordinator::Status() const {
  std::lock_guard lock(status_mutex_);
  return status_;
}

void Coordinator::OnWorkerMessage(core::ConnectionId connection, v1::WorkerMessage message) {
  if (events_.TryPush(FromWorker{connection, std::move(message)})) return;
  workers_.End(connection, absl::ResourceExhaustedError("the worker sends faster than is read"));
}

void Coordinator::OnWorkerGone(core::ConnectionId connection) {
  events_.Push(WorkerGone{connection});
}

void Coordinator::Handle(Submission event) {
  core::RequestFinish refusal{.reason = core::FinishReason::kError};
  refusal.num_prompt_tokens = static_cast<int32_t>(event.request.prompt_tokens.size());
  const core::RequestId id = event.request.id;
  if (!Takes(event.request)) {
    refusal.status = absl::UnavailableError("the cluster is shutting down");
  } else {
    for (const core::RequestEnd& end : scheduler_->MakePlace(event.request)) {
      FinishRequest(end.id, end.finish);
    }
    refusal.status = scheduler_->Admit(std::move(event.request), event.at);
  }
  if (!refusal.status.ok()) return event.listener->OnFinish(refusal);
  event.listener->OnAdmitted();
  listeners_.emplace(id, std::move(event.listener));
}

bool Coordinator::Takes(const core::NewRequest& request) const {
  if (scheduler_ == nullptr || leave_until_.has_value() || end_.has_value()) return false;
  return !drain_until_.has_value() || scheduler_->KeepsPlaceFor(request);
}

void Coordinator::Handle(Cancellation event) {
  if (scheduler_ == nullptr) return;
  const std::optional<core::RequestFinish> finish =
      event.others_follow ? scheduler_->Stop(event.id) : scheduler_->Cancel(event.id);
  if (finish.has_value()) FinishRequest(event.id, *finish);
}

void Coordinator::Handle(FromWorker event) {
  const Instant now = Now();
  membership_.OnHeard(event.connection, now);
  const v1::WorkerMessage& message = event.message;
  switch (message.kind_case()) {
    case v1::WorkerMessage::kHello:
      return OnHello(event.connection, message.hello());
    case v1::WorkerMessage::kProgress:
      return CarryOut(membership_.OnProgress(event.connection, message.progress(), now));
    case v1::WorkerMessage::kReady:
      return CarryOut(membership_.OnReady(event.connection, message.ready(), now));
    case v1::WorkerMessage::kResult:
      return OnResult(event.connection, message.result());
    case v1::WorkerMessage::kFault:
      return OnFault(event.connection, message.fault());
    case v1::WorkerMessage::kHeartbeat:  // OnHeard is all
    case v1::WorkerMessage::KIND_NOT_SET:
      return;
  }
}

void Coordinator::OnHello(core::ConnectionId connection, const v1::WorkerHello& hello) {
  const core::MembershipActions actions = membership_.OnJoined(connection, hello, Now());
  const bool refused =
      !actions.empty() && std::holds_alternative<core::RefuseWorker>(actions.front());
  if (!refused) spdlog::info("worker on {} (pid {}) joined", hello.host(), hello.pid());
  CarryOut(actions);
}

void Coordinator::OnFault(core::ConnectionId connection, const v1::WorkerFault& fault) {
  const bool known = fault.code() > 0 && fault.code() <= 16;
  const auto code =
      known ? static_cast<absl::StatusCode>(fault.code()) : absl::StatusCode::kInternal;
  const bool blames_a_peer =
      code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kDeadlineExceeded;
  if (!blames_a_peer || RankOf(connection) < 0) {
    return CarryOut(membership_.OnFault(connection, absl::Status(code, fault.message())));
  }
  if (!accusation_.has_value()) {
    accusation_ = {.message = fault.message(), .deadline = Now() + kAccusationGrace};
  }
  accusation_->accusers.push_back(connection);
}

void Coordinator::Handle(WorkerGone event) {
  // An accuser leaves after its word; whoever else goes without one is the one that was lost.
  if (accusation_.has_value()) {
    const std::vector<core::ConnectionId>& accusers = accusation_->accusers;
    if (std::count(accusers.begin(), accusers.end(), event.connection) > 0) return;
  }
  CarryOut(membership_.OnLost(event.connection, "its connection broke"));
  if (leave_until_.has_value()) AdvanceDrain();
}

void Coordinator::Handle(DrainWanted) {
  if (drain_until_.has_value() || scheduler_ == nullptr) {  // impatience, or nothing runs yet
    drain_until_ = Now();
    if (leave_until_.has_value()) leave_until_ = Now();
  } else {
    spdlog::info("draining: {} requests are under way", listeners_.size());
    drain_until_ = Now() + options_.drain_deadline;
  }
  AdvanceDrain();
  PublishStatus();
}

void Coordinator::OnResult(core::ConnectionId connection, const v1::StepResult& result) {
  const int rank = RankOf(connection);
  if (scheduler_ == nullptr || rank < 0) return;  // the epoch is over
  absl::StatusOr<std::optional<v1::StepResult>> merged = collector_->Add(rank, result);
  if (!merged.ok()) return Fail(merged.status());
  step_of_rank_[rank] = result.step();
  RecordRank(result);
  rate_of_group_[rank / options_.plan.tensor_parallel].Add(
      result.sampled_size());  // only one rank of a group has any
  if (!merged->has_value()) return;
  step_started_ = Now();  // of the next one under way, if there is one
  const auto now = std::chrono::steady_clock::now();
  const auto period =
      std::chrono::duration_cast<std::chrono::microseconds>(now - step_clock_.value_or(now));
  step_clock_ = now;
  const absl::StatusOr<core::StepOutcome> outcome = scheduler_->Complete(**merged, period);
  if (!outcome.ok()) return Fail(outcome.status());
  RecordStep(**merged, period);
  Deliver(*outcome);
}

// NOTE: before the step is the scheduler's: tokens_of_group_ begins with the oldest open step.
void Coordinator::RecordRank(const v1::StepResult& result) {
  using std::chrono::microseconds;
  if (!rank_observer_) return;
  const v1::StepTimings& timings = result.timings();
  const uint64_t oldest = last_planned_step_ + 1 - tokens_of_group_.size();
  rank_observer_({.rank = result.rank(),
                  .compute = microseconds(timings.total_us()),
                  .exchange = microseconds(timings.exchange_us()),
                  .sample = microseconds(timings.sample_us()),
                  .num_tokens = tokens_of_group_[result.step() - oldest]
                                                [result.rank() / options_.plan.tensor_parallel]});
}

void Coordinator::RecordStep(const v1::StepResult& result, std::chrono::microseconds period) {
  const std::vector<int64_t> tokens = std::move(tokens_of_group_.front());
  tokens_of_group_.pop_front();
  if (step_observer_) {
    step_observer_(
        {.wall = period,
         .compute = std::chrono::microseconds(result.timings().total_us()),
         .num_tokens = result.sampled_size(),
         .num_computed_tokens = std::accumulate(tokens.begin(), tokens.end(), int64_t{0}),
         .num_preemptions = scheduler_->num_preemptions() - preemptions_,
         .num_looked_up_tokens = scheduler_->num_looked_up_tokens() - looked_up_tokens_,
         .num_cached_tokens = scheduler_->num_cached_tokens() - cached_tokens_,
         .num_drafted_tokens = result.num_drafted(),
         .num_accepted_tokens = result.num_accepted(),
         .num_drafted_sequences = result.num_drafted_sequences()});
    looked_up_tokens_ = scheduler_->num_looked_up_tokens();
    cached_tokens_ = scheduler_->num_cached_tokens();
    preemptions_ = scheduler_->num_preemptions();
  }
}

void Coordinator::Deliver(const core::StepOutcome& outcome) {
  for (const core::RequestPromptToken& token : outcome.prompt_tokens) {
    const auto found = listeners_.find(token.id);
    if (found != listeners_.end()) found->second->OnPromptToken(token.output);
  }
  for (const core::RequestPromptDone& done : outcome.prompts_done) {
    const auto found = listeners_.find(done.id);
    if (found != listeners_.end()) found->second->OnPromptDone(done.num_cached_tokens);
  }
  for (const core::RequestToken& token : outcome.tokens) {
    const auto found = listeners_.find(token.id);
    if (found != listeners_.end()) found->second->OnToken(token.output);
  }
  for (const core::RequestEnd& end : outcome.finished) FinishRequest(end.id, end.finish);
}

void Coordinator::FinishRequest(core::RequestId id, const core::RequestFinish& finish) {
  const auto found = listeners_.find(id);
  if (found == listeners_.end()) return;
  const std::shared_ptr<core::RequestListener> listener = std::move(found->second);
  listeners_.erase(found);
  listener->OnFinish(finish);
}

void Coordinator::OnTick() {
  const Instant now = Now();
  if (accusation_.has_value() && now >= accusation_->deadline) {
    const Accusation accusation = *std::move(accusation_);
    accusation_.reset();
    CarryOut(membership_.OnLost(accusation.accusers.front(), accusation.message));
  }
  CarryOut(membership_.OnTick(now));
  workers_.EndStrangers();
  Beat(now);
  CheckStep(now);
  if (scheduler_ != nullptr && !scheduler_->plan_under_way()) scheduler_->CheckIntegrity();
  if (drain_until_.has_value()) AdvanceDrain();
  PublishStatus();
}

// The workers' side of the watch: a coordinator that they do not hear is lost to them.
void Coordinator::Beat(Instant now) {
  if (now < next_heartbeat_) return;
  next_heartbeat_ = now + kHeartbeatInterval;
  v1::CoordinatorMessage message;
  message.mutable_heartbeat()->set_epoch(plan_.epoch());
  workers_.SendToAll(message);
}

// A worker may be alive and yet never finish: its heartbeat has a thread of its own.
void Coordinator::CheckStep(Instant now) {
  if (scheduler_ == nullptr || !collector_->open()) return;
  if (now - step_started_ <= options_.step_deadline) return;
  Fail(absl::DeadlineExceededError(fmt::format(
      "step {} is not finished after {} s: no result from rank {}", collector_->step(),
      options_.step_deadline.count() / 1000, fmt::join(collector_->MissingRanks(), ", "))));
}

void Coordinator::CarryOut(const core::MembershipActions& actions) {
  for (const core::MembershipAction& action : actions) {
    if (const auto* refuse = std::get_if<core::RefuseWorker>(&action)) {
      spdlog::warn("refused a worker: {}", Message(refuse->reason));
      workers_.End(refuse->connection, refuse->reason);
    } else if (const auto* assign = std::get_if<core::AssignRanks>(&action)) {
      Assign(*assign);
    } else if (std::holds_alternative<core::StartServing>(action)) {
      StartServing();
    } else if (const auto* fail = std::get_if<core::FailCluster>(&action)) {
      Fail(fail->reason);
    }
  }
}

void Coordinator::Assign(const core::AssignRanks& action) {
  core::PlanRequest request = options_.plan;
  if (request.kv_num_blocks == 0 && request.kv_bytes_per_rank == 0) {
    request.memory_bytes_per_rank = action.memory_bytes;
  }
  const absl::StatusOr<core::BackendKind> backend = core::ParseBackendKind(membership_.backend());
  if (!backend.ok()) return Fail(backend.status());
  request.backend = *backend;
  absl::StatusOr<v1::ShardPlan> plan = core::MakeShardPlan(options_.model, request);
  if (!plan.ok()) return Fail(plan.status());
  plan_ = *std::move(plan);
  connection_of_rank_ = action.connection_of_rank;
  membership_.SetPlan(plan_.epoch(), plan_.hash());
  v1::CoordinatorMessage message;
  v1::Assignment* assignment = message.mutable_assignment();
  *assignment->mutable_plan() = plan_;
  assignment->set_model_path(options_.model_path);
  assignment->set_session(RandomSession());
  assignment->set_verify(options_.verify);
  *assignment->mutable_tokens() = options_.tokens;
  for (size_t rank = 0; rank < connection_of_rank_.size(); ++rank) {
    assignment->set_rank(static_cast<int32_t>(rank));
    workers_.Send(connection_of_rank_[rank], message);
  }
  PublishStatus();
}

void Coordinator::StartServing() {
  rendezvous_.Clear();
  collector_.emplace(static_cast<int>(connection_of_rank_.size()));
  step_of_rank_.assign(connection_of_rank_.size(), 0);
  rate_of_group_.assign(options_.plan.data_parallel, {});
  scheduler_ = std::make_unique<core::Scheduler>(
      core::SchedulerConfig::FromPlan(plan_, {.max_waiting = options_.max_waiting,
                                              .max_under_way = options_.overlap ? 2 : 1,
                                              .max_prompt_chunk = options_.max_prompt_chunk,
                                              .max_stretch = options_.max_stretch,
                                              .prefix_cache = options_.prefix_cache}));
  spdlog::info("serving {}: {} x {} ranks, {} cache blocks of {} tokens in each group",
               options_.model_name, plan_.layout().data_parallel(),
               plan_.layout().tensor_parallel(), plan_.kv().num_blocks(),
               plan_.kv().block_tokens());
  PublishStatus();
}

void Coordinator::Fail(const absl::Status& reason) {
  if (end_.has_value()) return;
  spdlog::error("the cluster is over, and {} requests with it", listeners_.size());  // Run says why
  end_ = reason;
  PublishStatus();
  if (scheduler_ != nullptr) {
    const absl::Status status = absl::UnavailableError(reason.message());
    for (const core::RequestEnd& end : scheduler_->FailAll(status)) {
      FinishRequest(end.id, end.finish);
    }
    scheduler_.reset();
  }
  rendezvous_.Cancel();
  workers_.EndAll(reason);
}

void Coordinator::EndLateRequests() {
  if (scheduler_ == nullptr) return;
  for (const core::RequestEnd& end : scheduler_->Expire(Now())) FinishRequest(end.id, end.finish);
}

void Coordinator::StartSteps() {
  if (scheduler_ == nullptr || leave_until_.has_value()) return;
  while (scheduler_->NextPlan(*plan_message_.mutable_plan())) {
    const v1::StepPlan& plan = plan_message_.plan();
    if (!step_clock_.has_value()) step_clock_ = std::chrono::steady_clock::now();
    if (!collector_->open()) step_started_ = Now();
    collector_->Open(plan.epoch(), plan.step());
    NoteWork(plan);
    workers_.Send(connection_of_rank_, plan_message_);
  }
  if (!scheduler_->plan_under_way()) step_clock_.reset();
}

void Coordinator::NoteWork(const v1::StepPlan& plan) {
  std::vector<int64_t>& tokens = tokens_of_group_.emplace_back();
  for (const v1::GroupWork& group : plan.groups()) {
    int64_t& sum = tokens.emplace_back();
    for (const v1::SequenceWork& work : group.sequences()) {
      sum += work.use_last_sampled() ? 1 : work.tokens_size();
    }
  }
  last_planned_step_ = plan.step();
  for (const v1::SequenceStart& start : plan.started()) {
    const auto found = listeners_.find(start.sequence_id());
    if (found != listeners_.end()) found->second->OnStarted();
  }
}

void Coordinator::AdvanceDrain() {
  const Instant now = Now();
  if (!leave_until_.has_value()) {
    const bool late = now >= *drain_until_;
    const bool busy =
        scheduler_ != nullptr && (scheduler_->HasWork() || scheduler_->plan_under_way() ||
                                  scheduler_->num_kept_places() > 0);
    if (busy && !late) return;
    if (scheduler_ != nullptr) {
      const absl::Status status = absl::UnavailableError("the server is shutting down");
      for (const core::RequestEnd& end : scheduler_->FailAll(status)) {
        FinishRequest(end.id, end.finish);
      }
    }
    leave_until_ = now + options_.leave_deadline;
    membership_.ExpectLeaving();
    v1::CoordinatorMessage message;
    message.mutable_shutdown()->set_reason("the coordinator shuts down");
    workers_.Send(connection_of_rank_, message);
  }
  if (membership_.num_members() > 0 && !connection_of_rank_.empty() && now < *leave_until_) return;
  rendezvous_.Cancel();
  workers_.EndAll(absl::UnavailableError("the coordinator has shut down"));
  end_ = absl::OkStatus();
}

int Coordinator::RankOf(core::ConnectionId connection) const {
  const auto found = std::find(connection_of_rank_.begin(), connection_of_rank_.end(), connection);
  return found == connection_of_rank_.end() ? -1
                                            : static_cast<int>(found - connection_of_rank_.begin());
}

void Coordinator::PublishStatus() {
  const Instant now = Now();
  v1::StatusResponse status;
  status.set_state(end_.has_value() && !end_->ok() ? v1::CLUSTER_STATE_FAILED
                   : drain_until_.has_value()      ? v1::CLUSTER_STATE_DRAINING
                                                   : membership_.state());
  status.set_detail(end_.has_value() && !end_->ok() ? std::string(end_->message())
                    : drain_until_.has_value()      ? "shutting down"
                                                    : membership_.Detail());
  status.set_model(options_.model_name);
  status.set_epoch(plan_.epoch());
  status.mutable_layout()->set_data_parallel(options_.plan.data_parallel);
  status.mutable_layout()->set_tensor_parallel(options_.plan.tensor_parallel);
  double tokens_per_second = 0;
  for (TokenRate& rate : rate_of_group_) {
    rate.OnTick(now);
    tokens_per_second += rate.PerSecond();
  }
  status.set_tokens_per_second(tokens_per_second);
  for (v1::WorkerStatus& worker : membership_.WorkerStatuses(now)) {
    if (worker.rank() >= 0 && !step_of_rank_.empty()) {
      worker.set_step(step_of_rank_[worker.rank()]);
      worker.set_tokens_per_second(
          rate_of_group_[worker.rank() / options_.plan.tensor_parallel].PerSecond());
    }
    if (worker.rank() >= 0 && scheduler_ != nullptr) {
      const int group = worker.rank() / options_.plan.tensor_parallel;
      worker.set_kv_blocks_free(scheduler_->num_free_blocks_of(group));
      worker.set_kv_blocks_total(scheduler_->num_blocks_of_group());
    }
    *status.add_workers() = std::move(worker);
  }
  if (scheduler_ != nullptr) {
    status.set_running_requests(scheduler_->num_running());
    status.set_waiting_requests(scheduler_->num_waiting());
    status.set_kv_blocks_free(scheduler_->num_free_blocks());
    status.set_kv_blocks_total(scheduler_->num_blocks());
    status.set_context_tokens(scheduler_->context_tokens());
  }
  std::lock_guard lock(status_mutex_);
  status_ = std::move(status);
}

}  // namespace switchyard
