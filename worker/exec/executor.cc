#include "worker/exec/executor.h"

#include <algorithm>
#include <chrono>

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
      all_logits_(options.all_logits),
      logits_sink_(options.logits_sink),
      grammars_(std::move(grammars)),
      batch_builder_(
          plan_,
          {.group = parallel_.group(), .all_outputs = options.all_logits, .grammars = &grammars_}),
      expert_rows_(parallel_.local_experts().size()) {}

absl::Status Executor::Load(const std::string& model_path, Collectives& world,
                            Collectives& tensor_group, const ExecutorOptions& options) {
  const v1::ModelSpec& spec = plan_.model();
  const kernels::Compute compute = ComputeOf(plan_.compute());
  SY_ASSIGN_OR_RETURN(const Checkpoint checkpoint, Checkpoint::Open(model_path));
  SY_ASSIGN_OR_RETURN(model_, MakeModel(plan_, parallel_, ops_.device()));

  if (spec.has_moe()) {
    // BF16 loses nothing on the way to products in BF16.
    const DType wire = compute == kernels::Compute::kBf16 ? DType::kBf16 : ops_.activation_dtype();
    SY_ASSIGN_OR_RETURN(
        exchange_,
        ExpertExchange::Create(
            parallel_,
            {.hidden_size = spec.hidden_size(),
             .experts_per_token = spec.moe().experts_per_token(),
             .max_slice_tokens = parallel_.MaxTokenSlice(plan_.limits().max_batched_tokens()),
             .dispatch_wire = wire,
             .combine_wire = wire},
            ops_, world));
  }
  const int64_t max_output_rows = all_logits_ ? plan_.limits().max_batched_tokens()
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
  kv_ = std::make_unique<KvStore>(ops_.device(),
                                  MakeKvLayout(plan_, spec.num_layers(), ops_.activation_dtype()));
  context_.emplace(LayerContext{.ops = ops_,
                                .compute = compute,
                                .ue8m0_scales = spec.fp8().ue8m0_activation_scales(),
                                .parallel = parallel_,
                                .tensor_group = tensor_group,
                                .exchange = exchange_.get(),
                                .arena = *arena_,
                                .trace = options.trace});

  WeightLoader loader(checkpoint, ops_,
                      {.compute = compute,
                       .num_threads = options.load_threads,
                       .progress = options.load_progress,
                       .cancel = options.cancel});
  model_->Load(loader, *context_);
  SY_RETURN_IF_ERROR(loader.Run());
  weight_bytes_read_ = loader.bytes_read();
  return absl::OkStatus();
}

// The logits themselves; a row of working memory for each sequence; and for the sink whole rows,
// twice.
int64_t Executor::LogitsBytes(int64_t max_output_rows) const {
  const int64_t columns = parallel_.VocabularyRows().size();
  const int64_t rows = max_output_rows + plan_.limits().max_running();
  const int64_t whole = all_logits_ ? 2 * max_output_rows * plan_.model().vocab_size() : 0;
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

  ActivationArena::Scope scope(*arena_);
  std::fill(expert_rows_.begin(), expert_rows_.end(), 0u);
  const int64_t num_outputs = static_cast<int64_t>(outputs_.size());
  const TensorView logits = arena_->Take(
      DType::kF32, {num_outputs + plan_.limits().max_running(), parallel_.VocabularyRows().size()});
  SY_RETURN_IF_ERROR(
      model_->Forward(*context_, batch_, *kv_, logits.Rows(0, num_outputs), expert_rows_));

  v1::StepResult result;
  result.set_epoch(plan.epoch());
  result.set_step(plan.step());
  result.set_rank(parallel_.rank());
  const Clock::time_point sampling = Clock::now();
  if (all_logits_) SY_RETURN_IF_ERROR(HandToSink(logits.Rows(0, num_outputs)));
  SY_RETURN_IF_ERROR(SampleRows(logits, &result));
  result.mutable_timings()->set_sample_us(MicrosSince(sampling));
  if (exchange_ != nullptr) {
    result.mutable_expert_rows()->Resize(plan_.model().moe().num_routed_experts(), 0);
    for (size_t i = 0; i < expert_rows_.size(); ++i) {
      result.set_expert_rows(parallel_.local_experts()[i], expert_rows_[i]);
    }
  }
  result.mutable_timings()->set_total_us(MicrosSince(start));
  return result;
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

// Every rank of a group chooses alike; rank 0 of the group reports.
absl::Status Executor::SampleRows(const TensorView& logits, v1::StepResult* result) {
  requests_.clear();
  masks_.clear();
  const IndexRange columns = parallel_.VocabularyRows();
  std::vector<const OutputRow*> wanted;
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const OutputRow& output = outputs_[i];
    const bool scored = output.next_token != OutputRow::kNone;
    if (!output.sample && !scored) continue;
    SamplingState& state = output.sequence->sampling;
    const v1::SamplingParams& params = state.params();
    requests_.push_back({.row = static_cast<int32_t>(i),
                         .position = output.position + 1,
                         .state = scored ? nullptr : &state,
                         .given = output.next_token,
                         .with_logprob = scored || params.has_top_logprobs(),
                         .num_top = scored ? params.prompt_logprobs() : params.top_logprobs()});
    TokenConstraint* const constraint = scored ? nullptr : state.constraint();
    if (constraint != nullptr && constraint->binds()) {
      masks_.push_back(constraint->Allowed({.first = columns.begin, .count = columns.size()}));
      requests_.back().mask = masks_.back();
    }
    wanted.push_back(&output);
  }
  if (requests_.empty()) return absl::OkStatus();
  SY_ASSIGN_OR_RETURN(const std::vector<Sample> samples,
                      sampler_->Run(logits, static_cast<int32_t>(outputs_.size()), requests_));
  for (size_t i = 0; i < samples.size(); ++i) {
    if (wanted[i]->sample) {
      SequenceState& sequence = *wanted[i]->sequence;
      sequence.last_sampled = samples[i].token;
      sequence.sampling.See(wanted[i]->position + 1, {&samples[i].token, 1});
    }
    if (parallel_.tensor_rank() == 0) Report(*wanted[i], samples[i], result);
  }
  return absl::OkStatus();
}

void Executor::Report(const OutputRow& output, const Sample& sample, v1::StepResult* result) const {
  const auto add_top = [&](auto* entry) {
    for (const TokenLogit& likely : sample.top) {
      v1::TokenLogprob* top = entry->add_top();
      top->set_token(likely.token);
      top->set_logprob(likely.logit);
    }
  };
  if (!output.sample) {
    v1::PromptLogprob* scored = result->add_prompt_logprobs();
    scored->set_sequence_id(output.sequence_id);
    scored->set_position(output.position + 1);
    scored->set_logprob(sample.logprob);
    return add_top(scored);
  }
  v1::SampledToken* sampled = result->add_sampled();
  sampled->set_sequence_id(output.sequence_id);
  sampled->set_position(output.position + 1);
  sampled->set_token(sample.token);
  sampled->set_logprob(sample.logprob);
  add_top(sampled);
}

}  // namespace switchyard::worker
