// The coordinator's one loop: events from the gateway and from workers go into the pure core, its
// plans and answers go out. The only thread that touches scheduler and membership; everything else
// talks to it through a bounded queue.
#ifndef SWITCHYARD_COORDINATOR_COORDINATOR_H_
#define SWITCHYARD_COORDINATOR_COORDINATOR_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "base/bounded_queue.h"
#include "base/status.h"
#include "coordinator/core/events.h"
#include "coordinator/core/membership/membership.h"
#include "coordinator/core/plan/sharding_planner.h"
#include "coordinator/core/sched/scheduler.h"
#include "coordinator/fleet/rendezvous_service.h"
#include "coordinator/fleet/step_collector.h"
#include "coordinator/fleet/worker_service.h"
#include "coordinator/token_rate.h"

namespace switchyard {

// A finished step: what the cluster spent on it, and how much of that was computing.
struct StepRecord {
  std::chrono::microseconds wall{
      0};  // since the step before it was done, or since its own start after idleness
  std::chrono::microseconds compute{0};  // the slowest rank's
  int64_t num_tokens = 0;                // sampled
  int64_t num_computed_tokens = 0;       // known before the step; drafts are not among them
  int64_t num_preemptions = 0;           // since the step before
  // Of prompts that have started since the step before: their tokens, and those of them that were
  // found in the prefix cache.
  int64_t num_looked_up_tokens = 0;
  int64_t num_cached_tokens = 0;
  // Drafts that the step computed, those of them that became tokens, and of how many sequences.
  int64_t num_drafted_tokens = 0;
  int64_t num_accepted_tokens = 0;
  int64_t num_drafted_sequences = 0;
};

// What one rank did in a step.
struct RankStepRecord {
  int rank = 0;
  std::chrono::microseconds compute{0};
  // Of that: moving bytes between ranks and waiting for them; from logits to tokens.
  std::chrono::microseconds exchange{0};
  std::chrono::microseconds sample{0};
  int64_t num_tokens = 0;  // that its group computed, as of num_computed_tokens
};

struct CoordinatorOptions {
  std::string model_name;
  std::string model_path;  // as every worker's host sees it
  bool verify = false;     // workers hold weights against the checkpoint's manifest
  v1::ModelSpec model;
  v1::TokenTable tokens;   // what workers hold grammars against
  core::PlanRequest plan;  // with no cache size: what the workers' memory leaves
  core::MembershipConfig membership;
  int32_t max_waiting = 1024;
  double max_stretch = 0;        // see core::PromptControl
  int32_t max_prompt_chunk = 0;  // tokens of one prompt in a step that others need; 0: half of it
  bool prefix_cache = true;
  bool overlap = true;  // a plan leaves before the result of the one before it has come
  std::chrono::milliseconds drain_deadline = std::chrono::seconds(30);
  std::chrono::milliseconds leave_deadline =
      std::chrono::seconds(5);  // for workers, after their last step
  std::chrono::milliseconds step_deadline =
      std::chrono::minutes(5);  // for every rank's result, after a plan has left
};

class Coordinator final : public core::Engine, public fleet::FleetListener {
 public:
  explicit Coordinator(CoordinatorOptions options);
  ~Coordinator() override;

  // For the gRPC server; they live as long as the coordinator.
  grpc::Service* worker_service() { return &workers_; }
  grpc::Service* rendezvous_service() { return &rendezvous_; }

  // Called on the loop thread after every step, and whenever a rank has done its part of one; must
  // not block. REQUIRES: Run was not called yet.
  void ObserveSteps(std::function<void(const StepRecord&)> observer) {
    step_observer_ = std::move(observer);
  }
  void ObserveRanks(std::function<void(const RankStepRecord&)> observer) {
    rank_observer_ = std::move(observer);
  }

  // Runs the loop on the calling thread until the cluster is over. OK after Drain; else why it
  // failed, naming the rank.
  absl::Status Run();

  // Takes no new requests, finishes those under way (until the drain deadline) with all choices of
  // answers that were begun, sends the workers home, ends Run. Any thread; a second call ends at
  // once what is left.
  void Drain();

  // core::Engine; any thread.
  absl::Status Submit(core::NewRequest request,
                      std::shared_ptr<core::RequestListener> listener) override;
  void Cancel(core::RequestId id) override;
  void Stop(core::RequestId id) override;
  v1::StatusResponse Status() const override;

 private:
  struct Submission {
    core::NewRequest request;
    std::shared_ptr<core::RequestListener> listener;
    core::Instant at{0};  // when it came
  };
  struct Cancellation {
    core::RequestId id;
    bool others_follow = false;
  };
  struct FromWorker {
    core::ConnectionId connection;
    v1::WorkerMessage message;
  };
  struct WorkerGone {
    core::ConnectionId connection;
  };
  struct DrainWanted {};
  using Event = std::variant<Submission, Cancellation, FromWorker, WorkerGone, DrainWanted>;

  // Workers said that a collective failed: very likely another one died, whose broken stream is
  // about to show.
  struct Accusation {
    std::vector<core::ConnectionId> accusers;
    std::string message;  // the first one's
    core::Instant deadline;
  };

  void OnWorkerMessage(core::ConnectionId connection, v1::WorkerMessage message) override;
  void OnWorkerGone(core::ConnectionId connection) override;

  // Handlers of the loop.
  void Handle(Submission event);
  void Handle(Cancellation event);
  void Handle(FromWorker event);
  void Handle(WorkerGone event);
  void Handle(DrainWanted event);
  // Whether the request is taken, and not because the cluster is over or about to be.
  bool Takes(const core::NewRequest& request) const;
  void OnHello(core::ConnectionId connection, const v1::WorkerHello& hello);
  void OnFault(core::ConnectionId connection, const v1::WorkerFault& fault);
  void OnResult(core::ConnectionId connection, const v1::StepResult& result);
  void RecordRank(const v1::StepResult& result);
  void RecordStep(const v1::StepResult& result, std::chrono::microseconds period);
  void OnTick();
  void Beat(core::Instant now);
  void CheckStep(core::Instant now);
  void CarryOut(const core::MembershipActions& actions);
  void Assign(const core::AssignRanks& action);
  void StartServing();
  void Fail(const absl::Status& reason);
  void StartSteps();
  // The plan is about to leave.
  void NoteWork(const v1::StepPlan& plan);
  void EndLateRequests();
  void Deliver(const core::StepOutcome& outcome);
  void FinishRequest(core::RequestId id, const core::RequestFinish& finish);
  void AdvanceDrain();
  void PublishStatus();
  int RankOf(core::ConnectionId connection) const;
  static core::Instant InstantOf(std::chrono::steady_clock::time_point time);
  static core::Instant Now();

  const CoordinatorOptions options_;
  fleet::WorkerService workers_;
  fleet::RendezvousService rendezvous_;
  BoundedQueue<Event> events_;

  // Of the loop thread.
  core::Membership membership_;
  std::unique_ptr<core::Scheduler> scheduler_;  // while serving
  v1::CoordinatorMessage plan_message_;         // the newest plan: its memory is used again
  std::optional<fleet::StepCollector> collector_;
  v1::ShardPlan plan_;
  std::vector<core::ConnectionId> connection_of_rank_;
  std::unordered_map<core::RequestId, std::shared_ptr<core::RequestListener>> listeners_;
  std::optional<Accusation> accusation_;
  std::optional<core::Instant> drain_until_;  // draining
  std::optional<core::Instant> leave_until_;  // workers were told to leave
  std::optional<absl::Status> end_;           // Run returns this
  std::vector<TokenRate> rate_of_group_;      // by attention group
  std::vector<uint64_t> step_of_rank_;        // the last that it has finished
  core::Instant step_started_{0};             // of the oldest plan under way
  core::Instant next_heartbeat_{0};
  int64_t looked_up_tokens_ = 0;  // the scheduler's counters at the last StepRecord
  int64_t cached_tokens_ = 0;
  int64_t preemptions_ = 0;
  std::deque<std::vector<int64_t>> tokens_of_group_;  // of the plans under way, oldest first
  uint64_t last_planned_step_ = 0;
  std::function<void(const StepRecord&)> step_observer_;      // may be empty
  std::function<void(const RankStepRecord&)> rank_observer_;  // likewise
  std::optional<std::chrono::steady_clock::time_point>
      step_clock_;  // StepRecord::wall counts from here; unset when idle

  mutable std::mutex status_mutex_;
  v1::StatusResponse status_;
};

}  // namespace switchyard

#endif  // SWITCHYARD_COORDINATOR_COORDINATOR_H_
