// Which workers make up the cluster: gathers them, gives out ranks, watches loading, opens the
// doors, and says who was lost. A state machine: events and ticks in, actions out. The
// coordinator's loop feeds it and carries the actions out.
//
//   GATHERING --all ranks have come--> LOADING --all are ready--> SERVING
//        \------ deadline ------\---- lost, stuck, mismatch ----\---- lost, silent ----> FAILED
#ifndef SWITCHYARD_COORDINATOR_CORE_MEMBERSHIP_MEMBERSHIP_H_
#define SWITCHYARD_COORDINATOR_CORE_MEMBERSHIP_MEMBERSHIP_H_

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/status.h"
#include "coordinator/core/membership/failure_detector.h"
#include "proto/admin.pb.h"
#include "proto/worker.pb.h"

namespace switchyard::core {

struct MembershipConfig {
  int32_t world = 1;    // ranks of the cluster
  std::string version;  // of this program; workers must have the same
  // All workers must have come by then.
  std::chrono::milliseconds gather_deadline = std::chrono::minutes(2);
  // A loading worker must make progress at least so often; one that waits for its peers must see
  // any worker make progress.
  std::chrono::milliseconds load_deadline = std::chrono::minutes(1);
  // A ready worker must say something at least so often.
  std::chrono::milliseconds max_silence = std::chrono::seconds(10);
};

// Tell this worker why, and end its stream. It is no member (any more).
struct RefuseWorker {
  ConnectionId connection = 0;
  absl::Status reason;
};

// All have come: make the plan, hand it to Membership::SetPlan, and send each worker its
// assignment.
struct AssignRanks {
  std::vector<ConnectionId> connection_of_rank;
  int64_t memory_bytes = 0;  // what the worker with the least may use; 0: some worker did not say
};

// Every rank is ready.
struct StartServing {};

// The cluster is over: end every request and every worker with this reason, which names rank and
// host.
struct FailCluster {
  absl::Status reason;
};

using MembershipAction = std::variant<RefuseWorker, AssignRanks, StartServing, FailCluster>;
using MembershipActions = std::vector<MembershipAction>;

// Owned by the coordinator's loop thread; not thread-safe. One for each epoch. Events of
// connections that are no members are ignored: they may have been refused a moment ago.
class Membership {
 public:
  // REQUIRES: config.world > 0.
  Membership(const MembershipConfig& config, Instant now);

  // A worker said hello. It is refused (FAILED_PRECONDITION) if its version differs from ours, its
  // backend or instruction set from the other workers', if the rank that it asks for is taken or
  // does not exist, or if nobody is wanted. Wanted ranks are honoured; the other workers get the
  // free ranks, lowest first, in the order in which they came. A member that says hello again is
  // lost.
  MembershipActions OnJoined(ConnectionId connection, const v1::WorkerHello& hello, Instant now);

  // A worker's stream ended: UNAVAILABLE. Before ranks are given out that only makes room for
  // another.
  MembershipActions OnLost(ConnectionId connection, std::string_view why);

  // A worker reported its end: as OnLost, but the cluster fails with the code of `fault`.
  MembershipActions OnFault(ConnectionId connection, const absl::Status& fault);

  MembershipActions OnProgress(ConnectionId connection, const v1::LoadProgress& progress,
                               Instant now);

  // A worker has loaded. Fails the cluster if it understood another plan than the one that was set.
  MembershipActions OnReady(ConnectionId connection, const v1::WorkerReady& ready, Instant now);

  // Any message, also those that have an event of their own.
  void OnHeard(ConnectionId connection, Instant now) { detector_.Heard(connection, now); }

  // Looks at the deadlines. Call it some times a second.
  MembershipActions OnTick(Instant now);

  // What ranks were told; right after AssignRanks.
  void SetPlan(uint64_t epoch, uint64_t plan_hash);

  // Of all workers, as they call it; from AssignRanks on.
  const std::string& backend() const { return backend_; }

  // The workers were told to leave: from now on they may.
  void ExpectLeaving() { leaving_ = true; }

  // GATHERING, LOADING, SERVING or FAILED.
  v1::ClusterState state() const { return state_; }
  int32_t num_members() const { return static_cast<int32_t>(members_.size()); }

  // Who is missing, who is still loading, or why the cluster failed; empty while it serves.
  std::string Detail() const;

  // One entry for each member, by rank, then in the order in which they came; `step` is not filled.
  std::vector<v1::WorkerStatus> WorkerStatuses(Instant now) const;

 private:
  struct Member {
    ConnectionId connection = 0;
    uint64_t join_order = 0;
    int32_t rank = -1;  // -1: none given yet
    v1::WorkerHello hello;
    v1::LoadProgress progress;
    Instant last_progress{0};
    bool ready = false;
    int64_t memory_bytes = 0;  // held, once ready
  };

  absl::Status CheckHello(const v1::WorkerHello& hello) const;
  // Rank -> member as ranks would be given out now; nullptr where none is left.
  std::vector<const Member*> TentativeRanks() const;
  MembershipActions AssignAll(Instant now);
  // The member goes; `what` it did, such as "was lost", stands in the reason.
  MembershipActions Remove(ConnectionId connection, std::string_view what, const absl::Status& why);
  const Member* FindStuck(Instant now) const;
  MembershipActions Fail(absl::Status reason);
  std::vector<const Member*> InOrder() const;
  std::string DescribeMissing() const;

  const MembershipConfig config_;
  const Instant started_;
  v1::ClusterState state_ = v1::CLUSTER_STATE_GATHERING;
  absl::Status failure_;
  bool leaving_ = false;
  std::string backend_;
  uint64_t epoch_ = 0;
  uint64_t plan_hash_ = 0;
  uint64_t next_join_order_ = 0;
  int32_t num_ready_ = 0;
  std::map<ConnectionId, Member> members_;
  FailureDetector detector_;
};

}  // namespace switchyard::core

#endif  // SWITCHYARD_COORDINATOR_CORE_MEMBERSHIP_MEMBERSHIP_H_
