#include "worker/exec/executor.h"

#include <algorithm>
#include <chrono>

#include "worker/exec/forced_drafter.h"
#include "worker/exec/mtp_drafter.h"
#include "worker/exec/ngram_drafter.h"
#include "worker/layers/vocabulary.h"
#include "worker/models/model_registry.h"

namespace switchyard::worker {
namespace {

using kernels::DType;
using kernels::TensorView;
using Clock = std::chrono::steady_clock;

kernels::Compute ComputeOf(v1::ComputeMode mode) {
  switch (mode) {
    case v1::COMPUTE_MODE_F32:
      return kernels::Compute::kF32;
    case v1::COMPUTE_MODE_W8A8:
      return kernels::Compute::kW8A8;
    default:
      return kernels::Compute::kBf16;
  }
}

kernels::WeightForm FormOf(v1::WeightForm form) {
  switch (form) {
    case v1::WEIGHT_FORM_Q8:
      return kernels::WeightForm::kInt8;
    case v1::WEIGHT_FORM_Q4:
      return kernels::WeightForm::kInt4;
    default:
      return kernels::WeightForm::kStored;
  }
}

uint32_t MicrosSince(Clock::time_point start) {
  return static_cast<uint32_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start).count());
}

}  // namespace

absl::StatusOr<std::unique_ptr<Executor>> Executor::Create(const v1::ShardPlan& plan, int rank,
                                                           const std::string& model_path,
                                                           kernels::Ops& ops, Collectives& world,
                                                           Collectives& tensor_group,
                                                           const ExecutorOptions& options) {
  SY_ASSIGN_OR_RETURN(ParallelContext parallel, ParallelContext::Create(plan, rank));
  SY_ASSIGN_OR_RETURN(GrammarStore grammars, GrammarStore::Create(options.tokens));
  std::unique_ptr<Executor> executor(
      new Executor(plan, std::move(parallel), ops, std::move(grammars), options));
  SY_RETURN_IF_ERROR(executor->Load(model_path, world, tensor_group, options));
  return executor;
}

Executor::Executor(const v1::ShardPlan& plan, ParallelContext parallel, kernels::Ops& ops,
                   GrammarStore grammars, const ExecutorOptions& options)
    : plan_(plan),
      parallel_(std::move(parallel)),
      ops_(ops),
      sink_positions_(options.sink_positions),
      logits_sink_(options.logits_sink),
      grammars_(std::move(grammars)),
      batch_builder_(plan_, {.group = parallel_.group(),
                             .all_outputs = options.sink_positions == SinkPositions::kEvery,
                             .grammars = &grammars_}),
      expert_rows_(parallel_.local_experts().size()) {}

absl::Status Executor::Load(const std::string& model_path, Collectives& world,
                            Collectives& tensor_group, const ExecutorOptions& options) {
  const v1::ModelSpec& spec = plan_.model();
  const kernels::Compute compute = ComputeOf(plan_.compute());
  if (plan_.weights() != v1::WEIGHT_FORM_STORED && !ops_.packs_integers()) {
    return absl::UnimplementedError(
        "weights are quantised while they are loaded by CPU workers only: use --weights stored");
  }
  SY_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(model_path));
  SY_ASSIGN_OR_RETURN(model_, MakeModel(plan_, parallel_, ops_.device()));

  if (spec.has_moe()) {
    SY_ASSIGN_OR_RETURN(exchanges_, ExchangeSet::Create(plan_, parallel_, ops_, world));
  }
  const int64_t max_output_rows = sink_positions_ == SinkPositions::kEvery
                                      ? plan_.limits().max_batched_tokens()
                                      : BatchBuilder::MaxOutputRows(plan_.limits());
  arena_ = std::make_unique<ActivationArena>(
      ops_.device(),
      model_->ArenaBytes(plan_.limits(), max_output_rows) + LogitsBytes(max_output_rows));
  const int64_t max_requests = BatchBuilder::MaxOutputRows(plan_.limits());
  gather_ = std::make_unique<DeviceGather>(ops_.device(), tensor_group,
                                           Sampler::MaxGatherBytes(max_requests));
  sampler_.emplace(
      ops_,
      LogitShards::Part{.first_token = static_cast<int32_t>(parallel_.VocabularyRows().begin),
                        .rank = parallel_.tensor_rank(),
                        .num_ranks = parallel_.tensor_parallel()},
      max_requests, [this](auto own, auto all) { return gather_->Gather(own, all); });
  const IndexRange columns = parallel_.VocabularyRows();
  row_sampler_.emplace(*sampler_, TokenRange{.first = columns.begin, .count = columns.size()});
  const bool caches_mtp = plan_.drafts().method() == v1::DRAFT_METHOD_MTP;
  kv_ = std::make_unique<KvStore>(
      ops_.device(), MakeKvLayout(plan_, spec.num_layers() + (caches_mtp ? 1 : 0), ops_));
  context_.emplace(LayerContext{.ops = ops_,
                                .compute = compute,
                                .ue8m0_scales = spec.fp8().ue8m0_activation_scales(),
                                .parallel = parallel_,
                                .tensor_group = tensor_group,
                                .exchanges = exchanges_.get(),
                                .arena = *arena_,
                                .trace = options.trace});
  recorder_.emplace(
      *model_, *context_, *kv_,
      options.record_steps && sink_positions_ == SinkPositions::kNone && options.trace == nullptr);
  SY_RETURN_IF_ERROR(MakeDrafter());

  std::optional<Manifest> manifest;
  if (options.verify) {
    SY_ASSIGN_OR_RETURN(manifest, Manifest::Read(checkpoint));
  }
  WeightLoader loader(
      checkpoint, ops_,
      {.compute = compute,
       .form = FormOf(plan_.weights()),
       .int4 = Int4FormatOf(spec),
       .num_threads = options.load_threads,
       .direct = options.direct_reads,
       .manifest = manifest ? &*manifest : nullptr,
       .num_ranks = parallel_.world(),
       .num_groups = parallel_.num_groups(),
       .max_silence = options.max_load_silence,
       .packed_cache = {.folder = options.packed_cache,
                        .rank = fmt::format("dp{}-tp{}-rank{}", parallel_.num_groups(),
                                            parallel_.tensor_parallel(), parallel_.rank())},
       .progress = options.load_progress,
       .note = options.load_note,
       .cancel = options.cancel});
  model_->Load(loader, *context_);
  const auto start = std::chrono::steady_clock::now();
  SY_RETURN_IF_ERROR(loader.Run());
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - start;
  weight_bytes_read_ = loader.bytes_read();
  load_figures_ = {.seconds = taken.count(),
                   .restored = loader.restored(),
                   .read = loader.counters(),
                   .staging_bytes = loader.staging_high_water()};
  weight_bytes_ = loader.packed_bytes();
  return absl::OkStatus();
}

absl::Status Executor::MakeDrafter() {
  switch (plan_.drafts().method()) {
    case v1::DRAFT_METHOD_MTP:
      if (model_->num_mtp_layers() == 0) {
        return absl::InternalError("the plan has the model draft, and it has no block for it");
      }
      drafter_ = std::make_unique<MtpDrafter>(*recorder_, *context_, kv_->layout().block_tokens,
                                              plan_.limits(), *row_sampler_);
      break;
    case v1::DRAFT_METHOD_NGRAM:
      drafter_ = std::make_unique<NgramDrafter>();
      break;
    default:
      break;
  }
  if (plan_.drafts().max_forced() > 0) {
    drafter_ = std::make_unique<ForcedDrafter>(plan_.drafts().max_forced(), std::move(drafter_));
  }
  return absl::OkStatus();
}

int64_t Executor::MaxSampledRows() const {
  const bool drafts = BatchBuilder::MaxDrafts(plan_.drafts()) > 0;
  return drafts ? BatchBuilder::MaxOutputRows(plan_.limits()) : plan_.limits().max_running();
}

// The logits themselves; a row of working memory for each that is sampled from; and for the sink
// whole rows, twice.
int64_t Executor::LogitsBytes(int64_t max_output_rows) const {
  const int64_t columns = parallel_.VocabularyRows().size();
  const int64_t rows = max_output_rows + MaxSampledRows();
  const int64_t whole = sink_positions_ != SinkPositions::kNone
                            ? 2 * max_output_rows * plan_.model().vocab_size()
                            : 0;
  return ActivationArena::BytesFor(DType::kF32, rows * columns) +
         ActivationArena::BytesFor(DType::kF32, whole);
}

int64_t Executor::activation_bytes() const { return arena_->num_bytes() + gather_->num_bytes(); }

absl::Status Executor::CheckOrder(const v1::StepPlan& plan) const {
  if (plan.epoch() != plan_.epoch() || plan.step() != last_step_ + 1 ||
      plan.placement_version() != parallel_.placement_version()) {
    return absl::InternalError(fmt::format(
        "plan of epoch {}, step {}, placement {} came; epoch {}, step {}, placement {} is next",
        plan.epoch(), plan.step(), plan.placement_version(), plan_.epoch(), last_step_ + 1,
        parallel_.placement_version()));
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::StepResult> Executor::RunStep(const v1::StepPlan& plan) {
  const Clock::time_point start = Clock::now();
  SY_RETURN_IF_ERROR(CheckOrder(plan));
  last_step_ = plan.step();
  SY_RETURN_IF_ERROR(Annotate(batch_builder_.Build(plan, &batch_, &outputs_),
                              fmt::format("step {}", plan.step())));

  v1::StepResult result;
  result.set_epoch(plan.epoch());
  result.set_step(plan.step());
  result.set_rank(parallel_.rank());
  std::fill(expert_rows_.begin(), expert_rows_.end(), 0u);
  if (exchanges_ != nullptr) exchanges_->BeginStep(plan);
  SY_RETURN_IF_ERROR(Compute(plan, &result));
  if (exchanges_ != nullptr) {
    SY_RETURN_IF_ERROR(exchanges_->TakeExpertRows(expert_rows_));
    result.mutable_expert_rows()->Resize(plan_.model().moe().num_routed_experts(), 0);
    for (size_t i = 0; i < expert_rows_.size(); ++i) {
      result.set_expert_rows(parallel_.local_experts()[i], expert_rows_[i]);
    }
  }
  result.mutable_timings()->set_total_us(MicrosSince(start));
  return result;
}

// Every rank of a group samples and drafts alike; rank 0 of the group reports.
absl::Status Executor::Compute(const v1::StepPlan& plan, v1::StepResult* result) {
  ActivationArena::Scope scope(*arena_);
  const int64_t num_outputs = std::ssize(outputs_);
  const v1::StepLimits& limits = plan_.limits();
  recorder_->BeginStep(batch_);
  const PassSize size = recorder_->PaddedSize(
      batch_,
      {.rows = limits.max_batched_tokens(), .output_rows = BatchBuilder::MaxOutputRows(limits)});
  const TensorView hidden = context_->Take({size.rows, plan_.model().hidden_size()});
  const TensorView logits = arena_->Take(
      DType::kF32, {size.output_rows + MaxSampledRows(), parallel_.VocabularyRows().size()});
  SY_RETURN_IF_ERROR(recorder_->Forward(batch_, hidden, logits.Rows(0, size.output_rows)));
  const Clock::time_point sampling = Clock::now();
  if (sink_positions_ != SinkPositions::kNone)
    SY_RETURN_IF_ERROR(HandToSink(logits.Rows(0, num_outputs)));
  SY_RETURN_IF_ERROR(
      row_sampler_->Run(logits, outputs_, parallel_.tensor_rank() == 0 ? result : nullptr));
  result->mutable_timings()->set_sample_us(MicrosSince(sampling));
  if (drafter_ == nullptr) return absl::OkStatus();
  return drafter_->Draft({.batch = batch_, .outputs = outputs_, .hidden = hidden, .logits = logits},
                         std::clamp(plan.num_drafts(), 0, plan_.drafts().max_tokens()));
}

absl::Status Executor::HandToSink(const TensorView& logits) {
  ActivationArena::Scope scope(*arena_);
  const int64_t vocab = plan_.model().vocab_size();
  const TensorView whole = arena_->Take(DType::kF32, {logits.rows(), vocab});
  SY_RETURN_IF_ERROR(GatherLogits(*context_, logits, whole));
  if (!logits_sink_) return absl::OkStatus();
  host_logits_.resize(whole.NumElements());
  ops_.device().Synchronize();
  ops_.device().CopyToHost(host_logits_.data(), whole.data,
                           whole.NumElements() * int64_t{sizeof(float)});
  for (size_t i = 0; i < outputs_.size(); ++i) {
    logits_sink_(outputs_[i].sequence_id, outputs_[i].position, host_logits_.data() + i * vocab);
  }
  return absl::OkStatus();
}

}  // namespace switchyard::worker
