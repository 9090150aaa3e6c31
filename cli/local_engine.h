// A whole cluster in this process: every rank a thread, collectives by shared memory unless asked
// otherwise. For tools and tests that want a model's numbers without a coordinator; the ranks run
// the same Executor as worker processes do.
#ifndef SWITCHYARD_CLI_LOCAL_ENGINE_H_
#define SWITCHYARD_CLI_LOCAL_ENGINE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "coordinator/core/plan/sharding_planner.h"
#include "coordinator/model_config.h"
#include "proto/cluster.pb.h"
#include "proto/step.pb.h"
#include "worker/exec/executor.h"
#include "worker/parallel/rendezvous.h"

namespace switchyard::cli {

struct LocalEngineOptions {
  std::string model_path;  // a folder or a GGUF file
  int data_parallel = 1;
  int tensor_parallel = 1;
  v1::ComputeMode compute = v1::COMPUTE_MODE_BF16;
  v1::WeightForm weights = v1::WEIGHT_FORM_STORED;
  int max_batched_tokens = 512;               // of one group in one step
  std::optional<int32_t> micro_batch_tokens;  // see core::PlanRequest; traced steps are not cut
  int max_running = 32;                       // sequences of one group in one step
  int64_t num_kv_blocks = 0;                  // of one group
  int kv_block_tokens = 16;
  int64_t expanded_bytes = core::PlanRequest::kSixteenth;  // of one rank
  v1::TokenTable tokens;  // what grammars are held against; empty: no sequence has one
  v1::DraftPlan drafts;   // see coordinator/core/plan/plan_check.h
  int num_threads = 0;    // of all ranks together; 0: one per core
  std::string isa = "auto";
  // See worker::BackendOptions. With cuda, rank i takes GPU i; for several ranks auto means cpu.
  std::string backend = "auto";
  bool direct_reads = false;                  // see worker::ExecutorOptions
  bool verify = false;                        // see worker::ExecutorOptions
  bool load_progress = false;                 // draw a bar on a terminal
  const std::atomic<bool>* cancel = nullptr;  // ends loading; may be null
  // Called by tensor rank 0 of each group, each on a thread of its own, with logits of every
  // position or of those that are sampled from.
  worker::LogitsSink logits_sink;
  worker::SinkPositions sink_positions = worker::SinkPositions::kEvery;
  worker::Trace* trace = nullptr;  // of all ranks, each on its thread; outlives the engine
  // Makes the communicator `name` of `size` ranks, element r for rank r; empty: shared memory.
  std::function<absl::StatusOr<std::vector<std::unique_ptr<worker::Collectives>>>(
      const std::string& name, int size)>
      make_collectives;
};

class LocalEngine {
 public:
  // Reads config.json, plans, loads all ranks. Errors: those of ParseHfConfig, MakeShardPlan and
  // Executor::Create; RESOURCE_EXHAUSTED when the ranks together do not fit this machine's memory.
  static absl::StatusOr<std::unique_ptr<LocalEngine>> Create(const LocalEngineOptions& options);
  ~LocalEngine();

  const v1::ShardPlan& plan() const { return plan_; }
  // What a rank can say of itself; not while a step runs.
  const worker::Executor& executor(int rank) const;
  // Of its device, what is taken right now; 0 where that is the machine.
  int64_t used_bytes(int rank) const;

  // Runs one step on every rank; the result has the samples of all groups. After an error the
  // engine is not to be used.
  absl::StatusOr<v1::StepResult> RunStep(const v1::StepPlan& plan);

 private:
  struct Rank;
  LocalEngine() = default;
  // The communicators of rank `rank`, in the memory of its device.
  absl::Status Connect(int rank, worker::RendezvousStore& store);
  // Calls run(rank) for every rank at once, each on its thread, and gives the first failure.
  template <typename Run>
  absl::Status OnEveryRank(Run run);
  template <typename Run>
  absl::Status Together(Run run);

  v1::ShardPlan plan_;
  std::vector<std::unique_ptr<Rank>> ranks_;
};

using switchyard::ReadModelSpec;

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_LOCAL_ENGINE_H_
