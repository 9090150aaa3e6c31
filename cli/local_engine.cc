#include "cli/local_engine.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <thread>

#include "base/units.h"
#include "cli/progress_bar.h"
#include "coordinator/core/plan/rank_memory.h"
#include "coordinator/core/plan/sharding_planner.h"
#include "coordinator/fleet/step_collector.h"
#include "worker/backend.h"
#include "worker/parallel/local_collectives.h"

namespace switchyard::cli {

struct LocalEngine::Rank {
  std::unique_ptr<worker::Backend> backend;
  std::unique_ptr<worker::Collectives> world;
  std::unique_ptr<worker::Collectives> tensor_group;
  std::unique_ptr<worker::Executor> executor;
};

namespace {

int ThreadsPerRank(const LocalEngineOptions& options, int world) {
  const int total = options.num_threads > 0 ? options.num_threads
                                            : static_cast<int>(std::thread::hardware_concurrency());
  return std::max(1, total / world);
}

// All ranks live in this process. What they need is known before any of it is asked for.
absl::Status CheckMemory(const v1::ShardPlan& plan, core::BackendKind backend,
                         worker::SinkPositions sink) {
  const int64_t rows = sink == worker::SinkPositions::kEvery ? plan.limits().max_batched_tokens()
                       : sink == worker::SinkPositions::kSampled ? 2 * plan.limits().max_running()
                                                                 : 0;
  int64_t weights = 0, steps = 0, cache = 0;
  for (int rank = 0; rank < plan.layout().data_parallel() * plan.layout().tensor_parallel();
       ++rank) {
    const core::RankMemory memory = core::MemoryOfRank(plan, rank, {.backend = backend});
    weights += memory.weights.Total();
    steps += memory.Fixed() - memory.weights.Total() +
             3 * rows * plan.model().vocab_size() * int64_t{sizeof(float)};
    cache += memory.Cache();
  }
  const int64_t machine = int64_t{sysconf(_SC_PHYS_PAGES)} * int64_t{sysconf(_SC_PAGE_SIZE)};
  if (weights + steps + cache <= machine) return absl::OkStatus();
  return absl::ResourceExhaustedError(fmt::format(
      "{} for weights, {} for activations and {} for the cache do not fit this machine's {}; take "
      "a smaller --batch or --chunk, fewer ranks, or a larger machine",
      FormatBytes(weights), FormatBytes(steps), FormatBytes(cache), FormatBytes(machine)));
}

}  // namespace

LocalEngine::~LocalEngine() = default;

const worker::Executor& LocalEngine::executor(int rank) const { return *ranks_[rank]->executor; }

int64_t LocalEngine::used_bytes(int rank) const { return ranks_[rank]->backend->used_bytes(); }

absl::Status LocalEngine::Connect(int index, worker::RendezvousStore& store) {
  Rank& rank = *ranks_[index];
  const int tensor_ranks = plan_.layout().tensor_parallel();
  SY_ASSIGN_OR_RETURN(
      rank.world,
      rank.backend->Connect(
          store, {.name = "world", .rank = index, .size = static_cast<int>(ranks_.size())}));
  SY_ASSIGN_OR_RETURN(
      rank.tensor_group,
      rank.backend->Connect(store, {.name = fmt::format("tensor-{}", index / tensor_ranks),
                                    .rank = index % tensor_ranks,
                                    .size = tensor_ranks}));
  return absl::OkStatus();
}

// With communicators that stand: where a rank fails, the others wait for it in a collective, and
// between GPUs each must be told.
template <typename Run>
absl::Status LocalEngine::Together(Run run) {
  return OnEveryRank([&](int rank) -> absl::Status {
    absl::Status status = run(rank);
    for (const auto& waiting : ranks_) {
      if (status.ok()) break;
      waiting->world->Abort();
      waiting->tensor_group->Abort();
    }
    return status;
  });
}

template <typename Run>
absl::Status LocalEngine::OnEveryRank(Run run) {
  if (ranks_.size() == 1) return run(0);  // no need of a thread
  std::vector<absl::Status> statuses(ranks_.size());
  std::vector<std::thread> threads;
  for (size_t rank = 0; rank < ranks_.size(); ++rank) {
    threads.emplace_back([&, rank] { statuses[rank] = run(static_cast<int>(rank)); });
  }
  for (std::thread& thread : threads) thread.join();
  // A rank that only missed an aborted peer says less than the peer itself.
  absl::Status first;
  for (const absl::Status& status : statuses) {
    if (status.ok()) continue;
    if (first.ok() || absl::IsCancelled(first)) first = status;
  }
  return first;
}

absl::StatusOr<std::unique_ptr<LocalEngine>> LocalEngine::Create(
    const LocalEngineOptions& options) {
  SY_ASSIGN_OR_RETURN(const v1::ModelSpec model, ReadModelSpec(options.model_path));
  std::unique_ptr<LocalEngine> engine(new LocalEngine());
  const auto kind = options.backend == "cuda" ? core::BackendKind::kCuda : core::BackendKind::kCpu;
  SY_ASSIGN_OR_RETURN(
      engine->plan_,
      core::MakeShardPlan(
          model, {.data_parallel = options.data_parallel,
                  .tensor_parallel = options.tensor_parallel,
                  .backend = kind,
                  .compute = options.compute,
                  .weights = options.weights,
                  .max_batched_tokens = options.max_batched_tokens,
                  .max_running = std::min(options.max_running, options.max_batched_tokens),
                  .micro_batch_tokens = options.trace == nullptr ? options.micro_batch_tokens
                                                                 : std::optional<int32_t>(0),
                  .drafts = options.drafts,
                  .kv_block_tokens = options.kv_block_tokens,
                  .kv_num_blocks = static_cast<int32_t>(options.num_kv_blocks),
                  .expanded_bytes_per_rank = options.expanded_bytes}));
  const worker::SinkPositions sink_positions =
      options.logits_sink ? options.sink_positions : worker::SinkPositions::kNone;
  SY_RETURN_IF_ERROR(CheckMemory(engine->plan_, kind, sink_positions));
  const int world = options.data_parallel * options.tensor_parallel;
  const std::string backend = world > 1 && options.backend == "auto" ? "cpu" : options.backend;
  const auto make_collectives =
      [&](const std::string& name,
          int size) -> absl::StatusOr<std::vector<std::unique_ptr<worker::Collectives>>> {
    if (options.make_collectives) return options.make_collectives(name, size);
    return worker::MakeLocalCollectives(size);
  };
  SY_ASSIGN_OR_RETURN(auto worlds, make_collectives("world", world));
  for (int group = 0; group < options.data_parallel; ++group) {
    SY_ASSIGN_OR_RETURN(auto members,
                        make_collectives(fmt::format("tensor-{}", group), options.tensor_parallel));
    for (auto& member : members) {
      auto rank = std::make_unique<Rank>();
      SY_ASSIGN_OR_RETURN(rank->backend,
                          worker::MakeBackend({.backend = backend,
                                               .device = static_cast<int>(engine->ranks_.size()),
                                               .num_threads = ThreadsPerRank(options, world),
                                               .isa = options.isa}));
      rank->world = std::move(worlds[engine->ranks_.size()]);
      rank->tensor_group = std::move(member);
      engine->ranks_.push_back(std::move(rank));
    }
  }

  if (engine->ranks_[0]->backend->ops().device().backend() != "cpu") {
    worker::LocalRendezvous store;
    SY_RETURN_IF_ERROR(engine->OnEveryRank([&](int rank) { return engine->Connect(rank, store); }));
  }

  std::optional<ProgressBar> bar;
  std::mutex bar_mutex;
  const auto progress = [&](int64_t done, int64_t total) {  // of rank 0: the others do alike
    std::lock_guard lock(bar_mutex);
    if (!bar.has_value()) bar.emplace("loading", total);
    bar->Set(done);
  };
  const auto load = [&](int index) -> absl::Status {
    Rank& rank = *engine->ranks_[index];
    worker::ExecutorOptions executor_options;
    if (options.load_progress && index == 0) executor_options.load_progress = progress;
    if (index % options.tensor_parallel == 0) executor_options.logits_sink = options.logits_sink;
    executor_options.sink_positions = sink_positions;
    executor_options.tokens = options.tokens;
    executor_options.trace = options.trace;
    executor_options.cancel = options.cancel;
    executor_options.direct_reads = options.direct_reads;
    executor_options.verify = options.verify;
    SY_ASSIGN_OR_RETURN(
        rank.executor,
        worker::Executor::Create(engine->plan_, index, options.model_path, rank.backend->ops(),
                                 *rank.world, *rank.tensor_group, executor_options));
    return absl::OkStatus();
  };
  SY_RETURN_IF_ERROR(engine->Together(load));
  return engine;
}

absl::StatusOr<v1::StepResult> LocalEngine::RunStep(const v1::StepPlan& plan) {
  std::vector<v1::StepResult> results(ranks_.size());
  SY_RETURN_IF_ERROR(Together([&](int rank) -> absl::Status {
    SY_ASSIGN_OR_RETURN(results[rank], ranks_[rank]->executor->RunStep(plan));
    return absl::OkStatus();
  }));
  fleet::StepCollector collector(static_cast<int>(ranks_.size()));
  collector.Open(plan.epoch(), plan.step());
  std::optional<v1::StepResult> merged;  // with the last rank's
  for (size_t rank = 0; rank < results.size(); ++rank) {
    SY_ASSIGN_OR_RETURN(merged, collector.Add(static_cast<int>(rank), results[rank]));
  }
  return *std::move(merged);
}

}  // namespace switchyard::cli
