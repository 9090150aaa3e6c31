#include "coordinator/core/sched/scheduler.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"

namespace switchyard::core {
namespace {

RequestFinish FinishOf(const Request& request, FinishReason reason,
                       absl::Status status = absl::OkStatus()) {
  return {.reason = reason,
          .status = std::move(status),
          .num_prompt_tokens = request.prompt_length,
          .num_generated_tokens = request.num_generated()};
}

absl::Status WrongResult(const v1::SampledToken& sampled, std::string_view what) {
  return absl::InternalError(fmt::format("step result: token {} at position {} of sequence {}: {}",
                                         sampled.token(), sampled.position(), sampled.sequence_id(),
                                         what));
}

std::vector<TokenLogprob> LikeliestOf(
    const google::protobuf::RepeatedPtrField<v1::TokenLogprob>& top) {
  std::vector<TokenLogprob> likeliest;
  likeliest.reserve(top.size());
  for (const v1::TokenLogprob& entry : top) {
    likeliest.push_back({.token = entry.token(), .logprob = entry.logprob()});
  }
  return likeliest;
}

}  // namespace

SchedulerConfig SchedulerConfig::FromPlan(const v1::ShardPlan& plan, const Limits& limits) {
  return {.epoch = plan.epoch(),
          .placement_version = plan.placement().version(),
          .num_groups = plan.layout().data_parallel(),
          .max_batched_tokens = plan.limits().max_batched_tokens(),
          .max_running = plan.limits().max_running(),
          .max_waiting = limits.max_waiting,
          .max_under_way = limits.max_under_way,
          .num_blocks = plan.kv().num_blocks(),
          .block_tokens = plan.kv().block_tokens(),
          .max_context = plan.model().max_position_embeddings(),
          .vocab_size = plan.model().vocab_size()};
}

Scheduler::Scheduler(const SchedulerConfig& config) : config_(config) {
  SY_CHECK_GT(config.num_groups, 0);
  SY_CHECK_GT(config.max_context, 0);
  SY_CHECK(config.max_under_way == 1 || config.max_under_way == 2) << config.max_under_way;
  groups_.reserve(config.num_groups);
  for (int32_t group = 0; group < config.num_groups; ++group) {
    groups_.emplace_back(group,
                         GroupSchedule::Limits{.max_batched_tokens = config.max_batched_tokens,
                                               .max_running = config.max_running,
                                               .num_blocks = config.num_blocks,
                                               .block_tokens = config.block_tokens});
  }
}

absl::Status Scheduler::Admit(NewRequest request) {
  SY_CHECK(request.id != 0 && !request.prompt_tokens.empty() && request.max_tokens > 0)
      << "request " << request.id;
  const int64_t prompt_length = static_cast<int64_t>(request.prompt_tokens.size());
  if (prompt_length >= config_.max_context) {
    return absl::InvalidArgumentError(
        fmt::format("the prompt has {} tokens, the model's context is {} for prompt and answer",
                    prompt_length, config_.max_context));
  }
  for (const int32_t token : request.prompt_tokens) {
    if (token < 0 || token >= config_.vocab_size) {
      return absl::InvalidArgumentError(fmt::format(
          "prompt token {} is outside the vocabulary of {}", token, config_.vocab_size));
    }
  }
  auto admitted = std::make_unique<Request>();
  admitted->id = request.id;
  admitted->prompt_length = static_cast<int32_t>(prompt_length);
  admitted->max_generated =
      std::min(request.max_tokens, config_.max_context - admitted->prompt_length);
  admitted->sampling = request.sampling;
  admitted->stop_token_ids = std::move(request.stop_token_ids);
  admitted->tokens = std::move(request.prompt_tokens);
  const int64_t pool_tokens = int64_t{config_.num_blocks} * config_.block_tokens;
  if (admitted->max_computed() > pool_tokens) {
    return absl::InvalidArgumentError(
        fmt::format("{} prompt tokens and max_tokens = {} do not fit the KV cache of {} tokens",
                    prompt_length, admitted->max_generated, pool_tokens));
  }
  // Asked last, so that what can never run is not told to try later.
  if (waiting_.size() >= config_.max_waiting) {
    return absl::ResourceExhaustedError(
        fmt::format("{} requests are waiting already, try again later", waiting_.size()));
  }
  admitted->arrival = next_arrival_++;
  Request& waiting = *admitted;
  const bool fresh = requests_.emplace(waiting.id, std::move(admitted)).second;
  SY_CHECK(fresh) << "request " << waiting.id << " admitted twice";
  waiting_.Insert(waiting);
  return absl::OkStatus();
}

std::optional<RequestFinish> Scheduler::Cancel(RequestId id) {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return std::nullopt;
  Request& request = *it->second;
  DropAwaited(request);
  const RequestFinish finish = FinishOf(request, FinishReason::kStop);
  Detach(request);
  requests_.erase(it);
  return finish;
}

std::optional<v1::StepPlan> Scheduler::NextPlan() {
  if (std::ssize(under_way_) >= config_.max_under_way || requests_.empty()) return std::nullopt;
  const bool goes_on = std::any_of(groups_.begin(), groups_.end(),
                                   [](const GroupSchedule& group) { return group.HasWork(); });
  if (!under_way_.empty() && !goes_on) return std::nullopt;
  StepBuilder builder({.epoch = config_.epoch,
                       .step = next_step_,
                       .placement_version = config_.placement_version,
                       .num_groups = config_.num_groups});
  for (const RequestId id : released_) builder.Release(id);
  released_.clear();
  std::vector<Request*> preempted;
  for (GroupSchedule& group : groups_) {
    group.BeginStep(next_step_);
    group.PlanRunning(builder, preempted);
  }
  for (Request* request : preempted) {
    builder.Release(request->id);
    waiting_.Insert(*request);
  }
  num_preemptions_ += static_cast<int64_t>(preempted.size());
  AdmitWaiting(builder);
  SY_CHECK_GT(num_running(), 0) << "requests wait, and nothing runs";
  under_way_.push_back({.step = next_step_++, .num_samples = builder.num_samples()});
  return builder.Take();
}

void Scheduler::AdmitWaiting(StepBuilder& builder) {
  // Strictly in order: a large request at the front is not overtaken for ever by small ones.
  while (!waiting_.empty()) {
    Request& request = waiting_.Front();
    GroupSchedule* group = ChooseGroup(request);
    if (group == nullptr) return;
    waiting_.Remove(request);
    group->Admit(request, builder);
  }
}

GroupSchedule* Scheduler::ChooseGroup(const Request& request) {
  const auto load = [](const GroupSchedule& group) {
    return std::tuple(group.num_running(), group.blocks().num_used());
  };
  GroupSchedule* best = nullptr;
  for (GroupSchedule& group : groups_) {
    if (group.CanAdmit(request) && (best == nullptr || load(group) < load(*best))) best = &group;
  }
  return best;
}

absl::StatusOr<StepOutcome> Scheduler::Complete(const v1::StepResult& merged) {
  if (under_way_.empty() || merged.epoch() != config_.epoch ||
      merged.step() != under_way_.front().step) {
    return absl::FailedPreconditionError(fmt::format(
        "result of epoch {} step {}, but under way is {}", merged.epoch(), merged.step(),
        under_way_.empty()
            ? "no step"
            : fmt::format("epoch {} step {}", config_.epoch, under_way_.front().step)));
  }
  StepOutcome outcome;
  outcome.tokens.reserve(merged.sampled_size());
  for (const v1::PromptLogprob& scored : merged.prompt_logprobs()) {
    SY_RETURN_IF_ERROR(TakePromptLogprob(scored, outcome));
  }
  for (const v1::SampledToken& sampled : merged.sampled())
    SY_RETURN_IF_ERROR(TakeToken(sampled, outcome));
  if (under_way_.front().num_samples != 0) {
    return absl::InternalError(fmt::format("step result: {} of the planned tokens are missing",
                                           under_way_.front().num_samples));
  }
  under_way_.pop_front();
  return outcome;
}

absl::Status Scheduler::TakePromptLogprob(const v1::PromptLogprob& scored, StepOutcome& outcome) {
  const auto it = requests_.find(scored.sequence_id());
  if (it == requests_.end()) return absl::OkStatus();  // ended meanwhile
  Request& request = *it->second;
  const int32_t next = request.num_scored + 1;
  if (!request.sampling.has_prompt_logprobs() || scored.position() > next ||
      scored.position() < 1 || scored.position() >= request.prompt_length) {
    return absl::InternalError(
        fmt::format("step result: log probability at position {} of sequence {}: the plan does "
                    "not ask for it",
                    scored.position(), scored.sequence_id()));
  }
  if (scored.position() < next) return absl::OkStatus();  // computed again after a preemption
  request.num_scored = next;
  outcome.prompt_tokens.push_back(
      {.id = request.id,
       .output = {
           .position = next, .logprob = scored.logprob(), .top = LikeliestOf(scored.top())}});
  return absl::OkStatus();
}

absl::Status Scheduler::TakeToken(const v1::SampledToken& sampled, StepOutcome& outcome) {
  const auto it = requests_.find(sampled.sequence_id());
  if (it == requests_.end()) {
    if (under_way_.front().num_dropped-- > 0) return absl::OkStatus();
    return WrongResult(sampled, "no such sequence in the plan");
  }
  Request& request = *it->second;
  // Of one awaited token, the last plan that samples the request must be this one.
  const bool awaited = request.num_awaited > 1 ||
                       (request.num_awaited == 1 && request.sampled_in == under_way_.front().step);
  if (!awaited || sampled.position() != request.num_known()) {
    return WrongResult(sampled, "the plan does not ask for it, or it came twice");
  }
  if (sampled.token() < 0 || sampled.token() >= config_.vocab_size) {
    return WrongResult(sampled, fmt::format("outside the vocabulary of {}", config_.vocab_size));
  }
  --request.num_awaited;
  --under_way_.front().num_samples;
  request.tokens.push_back(sampled.token());
  outcome.tokens.push_back({.id = request.id,
                            .output = {.token = sampled.token(),
                                       .logprob = sampled.logprob(),
                                       .top = LikeliestOf(sampled.top())}});
  if (const auto reason = ReasonToEnd(request)) {
    outcome.finished.push_back({.id = request.id, .finish = FinishOf(request, *reason)});
    DropAwaited(request);
    Detach(request);
    requests_.erase(it);
  }
  return absl::OkStatus();
}

std::optional<FinishReason> Scheduler::ReasonToEnd(const Request& request) const {
  const std::vector<int32_t>& stops = request.stop_token_ids;
  if (std::find(stops.begin(), stops.end(), request.tokens.back()) != stops.end())
    return FinishReason::kStop;
  if (request.num_generated() >= request.max_generated) return FinishReason::kLength;
  return std::nullopt;
}

// What plans under way still sample of a request that ends. A plan samples it once at most, so two
// awaited tokens are of both plans, and one is of the last that sampled it.
void Scheduler::DropAwaited(const Request& request) {
  for (PlanUnderWay& plan : under_way_) {
    if (request.num_awaited > 1 || (request.num_awaited == 1 && plan.step == request.sampled_in)) {
      --plan.num_samples;
      ++plan.num_dropped;
    }
  }
}

// Takes the request out of the queue or its group.
void Scheduler::Detach(Request& request) {
  if (request.group == Request::kNoGroup) {
    waiting_.Remove(request);
  } else {
    released_.push_back(request.id);
    groups_[request.group].Remove(request);
  }
}

std::vector<RequestEnd> Scheduler::FailAll(const absl::Status& status) {
  SY_CHECK(!status.ok());
  std::vector<Request*> requests;
  for (const auto& [id, request] : requests_) requests.push_back(request.get());
  std::sort(requests.begin(), requests.end(),
            [](const Request* a, const Request* b) { return a->arrival < b->arrival; });
  std::vector<RequestEnd> ended;
  ended.reserve(requests.size());
  for (Request* request : requests) {
    ended.push_back(
        {.id = request->id, .finish = FinishOf(*request, FinishReason::kError, status)});
    Cancel(request->id);
  }
  return ended;
}

int32_t Scheduler::context_tokens() const {
  return static_cast<int32_t>(
      std::min<int64_t>(config_.max_context, int64_t{config_.num_blocks} * config_.block_tokens));
}

int32_t Scheduler::num_running() const {
  int32_t num = 0;
  for (const GroupSchedule& group : groups_) num += group.num_running();
  return num;
}

int32_t Scheduler::num_free_blocks() const {
  int32_t num = 0;
  for (const GroupSchedule& group : groups_) num += group.blocks().num_free();
  return num;
}

int32_t Scheduler::num_blocks() const { return config_.num_groups * config_.num_blocks; }

void Scheduler::CheckIntegrity() const {
  SY_CHECK_EQ(static_cast<int64_t>(requests_.size()), int64_t{num_running()} + num_waiting());
  int32_t num_awaited = 0;
  for (const auto& [id, request] : requests_) {
    SY_CHECK_EQ(id, request->id);
    SY_CHECK_EQ(request->group == Request::kNoGroup, waiting_.Contains(*request))
        << "request " << id;
    SY_CHECK_LT(request->num_generated(), request->max_generated) << "request " << id;
    SY_CHECK_LE(request->num_awaited, std::ssize(under_way_)) << "request " << id;
    num_awaited += request->num_awaited;
  }
  for (const GroupSchedule& group : groups_) group.CheckIntegrity();
  for (const PlanUnderWay& plan : under_way_) num_awaited -= plan.num_samples;
  SY_CHECK_EQ(num_awaited, 0);
}

}  // namespace switchyard::core
