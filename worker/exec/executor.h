// One rank's engine: weights, cache and model behind "run this plan". No gRPC. Masks of grammars
// are found ahead on a thread beside the steps; all else is the caller's.
#ifndef SWITCHYARD_WORKER_EXEC_EXECUTOR_H_
#define SWITCHYARD_WORKER_EXEC_EXECUTOR_H_

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/status.h"
#include "kernels/ops.h"
#include "proto/cluster.pb.h"
#include "proto/step.pb.h"
#include "worker/exec/batch_builder.h"
#include "worker/exec/device_gather.h"
#include "worker/exec/drafter.h"
#include "worker/exec/row_sampler.h"
#include "worker/exec/step_recorder.h"
#include "worker/kv/kv_store.h"
#include "worker/models/model.h"
#include "worker/parallel/collectives.h"
#include "worker/parallel/exchange_set.h"
#include "worker/parallel/parallel_context.h"
#include "worker/sample/sampler.h"
#include "worker/weights/weight_loader.h"

namespace switchyard::worker {

// Logits as they are computed, for tools: one position's row, f32 [vocabulary].
using LogitsSink = std::function<void(uint64_t sequence_id, int32_t position, const float* logits)>;

// Of which positions the sink gets logits: none, those that are sampled from, or every one.
enum class SinkPositions { kNone, kSampled, kEvery };

// What loading weights took.
struct LoadFigures {
  double seconds = 0;     // reading and packing
  bool restored = false;  // all came from the packed cache
  ReadCounters read;
  int64_t staging_bytes = 0;  // the most memory between files and packed weights
};

struct ExecutorOptions {
  int load_threads = 4;
  bool verify = false;        // hold what is read against the checkpoint's manifest
  bool direct_reads = false;  // see WeightLoader::Options
  std::chrono::milliseconds max_load_silence{30'000};  // a disk that says nothing for so long
  std::string packed_cache;  // folder of packed weights, see packed_cache.h; empty: none
  std::function<void(LoadStage stage, int64_t bytes_done, int64_t bytes_total)> load_progress;
  std::function<void(const LoadNote& note)> load_note;  // of the packed cache; may be empty
  const std::atomic<bool>* cancel = nullptr;            // ends loading
  SinkPositions sink_positions = SinkPositions::kNone;  // the same on all ranks
  LogitsSink logits_sink;                               // takes those logits; may be empty
  v1::TokenTable tokens;   // what grammars are held against; empty: no sequence has one
  Trace* trace = nullptr;  // sees inside every forward pass; outlives the executor
  // Decode steps are recorded and replayed, where the backend can and nothing looks inside. The
  // same on all ranks of a tensor group.
  bool record_steps = true;
};

class Executor {
 public:
  // Loads this rank's weights and allocates everything that a step needs. `ops` and the
  // communicators (the world's and that of this rank's tensor group) outlive the executor. Errors:
  // those of Checkpoint, WeightLoader, MakeModel, ExchangeSet::Create.
  static absl::StatusOr<std::unique_ptr<Executor>> Create(const v1::ShardPlan& plan, int rank,
                                                          const std::string& model_path,
                                                          kernels::Ops& ops, Collectives& world,
                                                          Collectives& tensor_group,
                                                          const ExecutorOptions& options);

  // Runs one step with all other ranks. INTERNAL when the plan's epoch, number or contents do not
  // fit; errors of Collectives when a peer is lost. After an error the executor is not to be used.
  absl::StatusOr<v1::StepResult> RunStep(const v1::StepPlan& plan);

  uint64_t last_step() const { return last_step_; }
  int64_t weight_bytes_read() const { return weight_bytes_read_; }
  const LoadFigures& load_figures() const { return load_figures_; }
  // Device memory: weights as packed with the model's tables, cache, activations, exchange.
  int64_t weight_bytes() const { return weight_bytes_ + model_->table_bytes(); }
  int64_t kv_bytes() const { return kv_->num_bytes(); }
  int64_t activation_bytes() const;
  int64_t exchange_bytes() const { return exchanges_ ? exchanges_->num_bytes() : 0; }
  int64_t activation_high_water() const { return arena_->high_water(); }  // of all steps so far
  const ParallelContext& parallel() const { return parallel_; }
  // Decode steps that were recorded so far (StepRecorder), and steps that ran from a recording.
  int64_t num_recordings() const { return recorder_->num_recordings(); }
  int64_t num_replays() const { return recorder_->num_replays(); }

 private:
  Executor(const v1::ShardPlan& plan, ParallelContext parallel, kernels::Ops& ops,
           GrammarStore grammars, const ExecutorOptions& options);
  absl::Status Load(const std::string& model_path, Collectives& world, Collectives& tensor_group,
                    const ExecutorOptions& options);
  absl::Status MakeDrafter();
  // Rows that the sampler may copy logits to.
  int64_t MaxSampledRows() const;
  int64_t LogitsBytes(int64_t max_output_rows) const;
  absl::Status CheckOrder(const v1::StepPlan& plan) const;
  absl::Status Compute(const v1::StepPlan& plan, v1::StepResult* result);
  absl::Status HandToSink(const kernels::TensorView& logits);

  const v1::ShardPlan plan_;
  const ParallelContext parallel_;
  kernels::Ops& ops_;
  const SinkPositions sink_positions_;
  const LogitsSink logits_sink_;

  std::unique_ptr<Model> model_;
  std::unique_ptr<KvStore> kv_;
  std::unique_ptr<ActivationArena> arena_;
  std::unique_ptr<ExchangeSet> exchanges_;  // null for dense models
  std::optional<LayerContext> context_;
  GrammarStore grammars_;
  BatchBuilder batch_builder_;
  std::unique_ptr<DeviceGather> gather_;
  std::optional<Sampler> sampler_;
  std::optional<RowSampler> row_sampler_;
  std::optional<StepRecorder> recorder_;
  std::unique_ptr<Drafter> drafter_;  // null: the plan has no drafts

  ForwardBatch batch_;
  std::vector<OutputRow> outputs_;
  std::vector<float> host_logits_;     // for the sink
  std::vector<uint32_t> expert_rows_;  // [local experts], of the step
  uint64_t last_step_ = 0;
  int64_t weight_bytes_read_ = 0;
  LoadFigures load_figures_;
  int64_t weight_bytes_ = 0;  // packed
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_EXEC_EXECUTOR_H_
