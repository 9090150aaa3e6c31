#include "coordinator/core/sched/scheduler.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/check.h"
#include "base/field_error.h"

namespace switchyard::core {
namespace {

// For how many steps the first in line, held up by its size, may be overtaken: some seconds, and no
// more than it has tokens. It waits so much longer at most, those behind it for it so much less.
constexpr uint64_t kMaxOvertakingSteps = 256;
// Tenants next in line of which one may overtake, to bound the search.
constexpr int32_t kMaxOvertakers = 8;

RequestFinish FinishOf(const Request& request, FinishReason reason,
                       absl::Status status = absl::OkStatus()) {
  return {.reason = reason,
          .status = std::move(status),
          .num_prompt_tokens = request.prompt_length,
          .num_generated_tokens = request.num_generated(),
          .num_cached_tokens = std::max(request.num_cached, 0)};
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

FullLogprobs FullOf(const google::protobuf::RepeatedField<float>& full) {
  if (full.empty()) return nullptr;
  return std::make_shared<const std::vector<float>>(full.begin(), full.end());
}

}  // namespace

Scheduler::Scheduler(const SchedulerConfig& config)
    : config_(config),
      places_(config.max_waiting),
      draft_control_(config.max_drafts),
      prompt_control_(config.max_stretch) {
  SY_CHECK_GT(config.num_groups, 0);
  SY_CHECK_GT(config.max_context, 0);
  SY_CHECK(config.max_under_way == 1 || config.max_under_way == 2) << config.max_under_way;
  groups_.reserve(config.num_groups);
  for (int32_t group = 0; group < config.num_groups; ++group) {
    groups_.emplace_back(group,
                         GroupSchedule::Limits{.max_batched_tokens = config.max_batched_tokens,
                                               .max_running = config.max_running,
                                               .num_blocks = config.num_blocks,
                                               .block_tokens = config.block_tokens,
                                               .windows = config.windows,
                                               .prefix_cache = config.prefix_cache,
                                               .max_forced = config.max_forced,
                                               .max_full_logprobs = config.max_full_logprobs,
                                               .prompt_cost = config.prompt_cost},
                         tenants_);
  }
}

std::vector<RequestEnd> Scheduler::MakePlace(const NewRequest& request) {
  const int32_t num_lacking = places_.NumLacking(request, waiting_.size());
  if (num_lacking == 0 || !config_.CheckFits(request).ok()) return {};
  const Tenant* tenant = tenants_.Find(request.tenant);
  const int32_t num_own =
      (tenant == nullptr ? 0 : waiting_.NumOf(*tenant)) + places_.NumKeptOf(request.tenant);
  const double share = double(num_own + 1 + request.num_following) / request.weight;
  std::vector<RequestEnd> ended;
  for (const RequestId crowded_out : waiting_.CrowdedOut(num_lacking, share, places_)) {
    RequestEnd& end = ended.emplace_back();
    end.id = crowded_out;
    end.finish = *Cancel(end.id);
    end.finish.reason = FinishReason::kError;
    end.finish.status = absl::ResourceExhaustedError(
        "too many requests of this tenant wait beside another's, try again later");
  }
  return ended;
}

absl::Status Scheduler::Admit(NewRequest request, std::chrono::milliseconds now) {
  SY_CHECK(request.id != 0 && !request.prompt_tokens.empty() && request.max_tokens > 0)
      << "request " << request.id;
  SY_RETURN_IF_ERROR(config_.CheckFits(request));
  // Asked last, so that what can never run is not told to try later.
  SY_RETURN_IF_ERROR(places_.Check(request, waiting_.size()));
  auto admitted = std::make_unique<Request>();
  admitted->answer = places_.Enter(request);
  admitted->id = request.id;
  admitted->prompt_length = static_cast<int32_t>(request.prompt_tokens.size());
  admitted->max_generated =
      std::min(request.max_tokens, config_.max_context - admitted->prompt_length);
  admitted->priority = request.priority;
  admitted->sampling = std::move(request.sampling);
  admitted->stop_token_ids = std::move(request.stop_token_ids);
  admitted->grammar = std::move(request.grammar);
  // Drafts that turn out wrong would take of what a step may report.
  admitted->is_drafted = request.drafts && !admitted->full_answer();
  admitted->tokens = std::move(request.prompt_tokens);
  // The length keeps a tenant's name from running into another's salt.
  admitted->salt =
      fmt::format("{}:{}{}", request.tenant.size(), request.tenant, request.cache_salt);
  if (request.timeout.count() > 0) admitted->deadline = now + request.timeout;
  admitted->arrival = next_arrival_++;
  Request& waiting = *admitted;
  const bool fresh = requests_.emplace(waiting.id, std::move(admitted)).second;
  SY_CHECK(fresh) << "request " << waiting.id << " admitted twice";
  waiting.tenant = &tenants_.Join(request.tenant, request.weight);
  waiting_.Insert(waiting);
  if (waiting.deadline != Request::kNoDeadline) deadlines_.insert({waiting.deadline, waiting.id});
  return absl::OkStatus();
}

std::optional<RequestFinish> Scheduler::Cancel(RequestId id) {
  places_.Forget(id);
  return Stop(id);
}

std::optional<RequestFinish> Scheduler::Stop(RequestId id) {
  const auto it = requests_.find(id);
  if (it == requests_.end()) return std::nullopt;
  DropAwaited(*it->second);
  const RequestFinish finish = FinishOf(*it->second, FinishReason::kStop);
  End(*it->second);
  return finish;
}

std::vector<RequestEnd> Scheduler::Expire(std::chrono::milliseconds now) {
  std::vector<RequestEnd> ended;
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const RequestId id = deadlines_.begin()->second;
    RequestFinish finish = *Cancel(id);
    finish.reason = FinishReason::kError;
    finish.status = AboutField(absl::DeadlineExceededError(fmt::format(
                                   "the request's timeout is over, after {} tokens of its answer",
                                   finish.num_generated_tokens)),
                               "timeout");
    ended.push_back({.id = id, .finish = std::move(finish)});
  }
  return ended;
}

bool Scheduler::NextPlan(v1::StepPlan& plan) {
  if (std::ssize(under_way_) >= config_.max_under_way || requests_.empty()) return false;
  const bool goes_on = std::any_of(groups_.begin(), groups_.end(),
                                   [](const GroupSchedule& group) { return group.HasWork(); });
  if (!under_way_.empty() && !goes_on) return false;
  const int32_t num_drafted = NumDrafted();
  // What starts now is drafted for, too.
  const int32_t num_drafts = draft_control_.Choose(std::max(num_drafted, 1), last_generates_);
  StepBuilder builder({.epoch = config_.epoch,
                       .step = next_step_,
                       .placement_version = config_.placement_version,
                       .num_groups = config_.num_groups,
                       .num_drafts = num_drafts,
                       .tells_history = config_.drafts_from_history},
                      plan);
  for (const RequestId id : released_) builder.Release(id);
  released_.clear();
  // The step before made the drafts that this one computes.
  const Writing writing = MostWriting(std::min(num_drafts, last_drafts_));
  const bool is_quiet = num_drafted > 0 && draft_control_.wants_quiet();
  const PromptBound bound =
      is_quiet ? PromptBound() : prompt_control_.BoundOf(writing, PromptsPerWriting());
  for (GroupSchedule& group : groups_) group.BeginStep(next_step_, bound);
  Request* const overtaker = bound.units > 0 ? MakeWay(builder) : nullptr;
  std::vector<Request*> preempted;
  const Request* const first = waiting_.empty() ? nullptr : &waiting_.Front();
  const Request* const waiting = overtaker != nullptr ? overtaker : first;
  for (GroupSchedule& group : groups_) group.PlanTokens(num_drafts, waiting, builder, preempted);
  const int32_t num_samples = builder.num_samples();
  PutBack(preempted, builder);
  PlanPrompts(overtaker, builder);
  double prompt_units = 0;
  for (GroupSchedule& group : groups_) {
    group.EndStep();
    prompt_units = std::max(prompt_units, group.prompt_units());
  }
  tenants_.EndStep(waiting_.empty() ? std::nullopt
                                    : std::optional(waiting_.Front().tenant->virtual_time));
  SY_CHECK_GT(num_running(), 0) << "requests wait, and nothing runs";
  const bool generates = builder.num_samples() == num_samples && builder.num_works() == num_samples;
  under_way_.push_back({.step = next_step_++,
                        .num_samples = builder.num_samples(),
                        .num_drafted = num_drafted,
                        .num_drafts = num_drafts,
                        .writing = writing,
                        .prompt_units = prompt_units,
                        .is_steady = generates && last_generates_ && num_drafts == last_drafts_});
  last_generates_ = generates;
  last_drafts_ = num_drafts;
  return true;
}

Writing Scheduler::MostWriting(int32_t num_drafts) const {
  Writing most;
  for (const GroupSchedule& group : groups_) most = std::max(most, group.WritingOf(num_drafts));
  return most;
}

double Scheduler::PromptsPerWriting() const {
  int64_t num_writing = 0;
  for (const GroupSchedule& group : groups_) num_writing += group.num_generating();
  const int64_t num_prompts = waiting_.size() + num_running() - num_writing;
  return double(num_prompts) / double(std::max<int64_t>(num_writing, 1));
}

int32_t Scheduler::NumDrafted() const {
  int32_t most = 0;
  for (const GroupSchedule& group : groups_) most = std::max(most, group.num_drafted());
  return most;
}

void Scheduler::PutBack(const std::vector<Request*>& preempted, StepBuilder& builder) {
  for (Request* request : preempted) {
    builder.Release(request->id);
    waiting_.Insert(*request);
  }
  num_preemptions_ += static_cast<int64_t>(preempted.size());
}

Request* Scheduler::MakeWay(StepBuilder& builder) {
  if (waiting_.empty() || tenants_.num_active() < 2) return nullptr;
  Request& first = waiting_.Front();
  if (MakeWayFor(first, builder) || !MayBeOvertaken(first)) return nullptr;
  const int32_t num_tenants = std::min(waiting_.num_tenants(), 1 + kMaxOvertakers);
  for (int32_t num_before = 1; num_before < num_tenants; ++num_before) {
    Request& other = waiting_.FirstAfter(num_before);
    if (!WouldBeOverEverywhere(other)) return MakeWayFor(other, builder) ? &other : nullptr;
  }
  return nullptr;
}

bool Scheduler::MakeWayFor(const Request& request, StepBuilder& builder) {
  const bool has_room =
      std::any_of(groups_.begin(), groups_.end(),
                  [&](const GroupSchedule& group) { return group.HasRoom(request); });
  if (has_room) return true;
  for (GroupSchedule& group : groups_) {
    std::vector<Request*> preempted;
    if (!group.MakeWay(request, preempted)) continue;
    PutBack(preempted, builder);
    return true;
  }
  return false;
}

// What is larger than its tenant's share waits for others to end, but not for those that ever start
// anew. What fits the share by itself is overtaken by nobody: its tenant has its share already, and
// it is its turn because others were given more tokens.
bool Scheduler::MayBeOvertaken(Request& first) const {
  if (!groups_.front().IsLargerThanShare(first)) return false;
  if (first.held_up_since == 0) first.held_up_since = next_step_;
  const uint64_t num_tokens = first.num_known();
  return next_step_ - first.held_up_since < std::min(num_tokens, kMaxOvertakingSteps);
}

bool Scheduler::WouldBeOverEverywhere(const Request& request) const {
  return std::all_of(groups_.begin(), groups_.end(),
                     [&](const GroupSchedule& group) { return group.WouldBeOver(request); });
}

// Tokens are given to whom they fall first; the turns are set right once for all of them.
void Scheduler::PlanPrompts(Request* overtaker, StepBuilder& builder) {
  for (const GroupSchedule& group : groups_) {
    for (Request* request : group.running()) {
      if (request->sampled_in == next_step_) {
        const int32_t num_tokens = 1 + std::exchange(request->num_uncharged, 0);
        tenants_.Charge(*request->tenant, CostOf(num_tokens, request->full_answer() ? 1 : 0));
      } else if (request->num_remaining() > 1) {  // a token alone waits for the next step
        prompts_.Insert(*request);
      }
    }
  }
  waiting_.Reorder(tenants_.served());
  prompts_.Reorder(tenants_.served());
  // In order, and if the first cannot start, maybe one that overtakes it: a large request at the
  // front is not overtaken for ever by small ones.
  const auto first = [&] { return waiting_.empty() ? nullptr : &waiting_.Front(); };
  bool in_order = true;
  Request* next = first();
  while (!prompts_.empty() || next != nullptr) {
    const bool newcomer =
        next != nullptr &&
        (prompts_.empty() || next->tenant->turn() < prompts_.Front().tenant->turn());
    if (newcomer) {
      if (next == overtaker) overtaker = nullptr;  // its turn has come
      in_order = Start(*next, builder) && in_order;
      next = in_order ? first() : std::exchange(overtaker, nullptr);
      continue;
    }
    Request& request = prompts_.Front();
    const int32_t max_chunk = MaxChunk();
    prompts_.Remove(request);
    GroupSchedule& group = groups_[request.group];
    const int32_t num_full = group.num_full_planned();
    const int32_t num_tokens = group.PlanChunk(request, max_chunk, builder);
    Charge(request, CostOf(num_tokens, group.num_full_planned() - num_full));
    if (in_order) next = first();  // another's turn, maybe, now that this one's tenant is charged
  }
}

bool Scheduler::Start(Request& request, StepBuilder& builder) {
  std::optional<Choice> choice = ChooseGroup(request);
  if (!choice.has_value()) return false;
  const int32_t max_chunk = MaxChunk();
  waiting_.Remove(request);
  if (!request.has_started()) {
    places_.Begin(request.answer);
    num_looked_up_tokens_ += request.prompt_length;
    num_cached_tokens_ += choice->fit.num_cached;
  }
  GroupSchedule& group = *choice->group;
  const int32_t num_full = group.num_full_planned();
  const int32_t num_tokens = group.Admit(request, choice->fit, max_chunk, builder);
  Charge(request, CostOf(num_tokens, group.num_full_planned() - num_full));
  return true;
}

// With nobody to share a step with, a prompt may have all of it.
int32_t Scheduler::MaxChunk() const {
  if (num_running() + num_waiting() <= 1) return config_.max_batched_tokens;
  if (config_.max_prompt_chunk > 0) return config_.max_prompt_chunk;
  return std::max(1, config_.max_batched_tokens / 2);
}

int32_t Scheduler::CostOf(int32_t num_tokens, int32_t num_full) const {
  if (num_full == 0) return num_tokens;
  return std::max(num_tokens, num_full * config_.max_batched_tokens / config_.max_full_logprobs);
}

void Scheduler::Charge(const Request& request, int32_t num_tokens) {
  if (num_tokens == 0) return;
  tenants_.Charge(*request.tenant, num_tokens);
  waiting_.Reorder(*request.tenant);
  prompts_.Reorder(*request.tenant);
}

std::optional<Scheduler::Choice> Scheduler::ChooseGroup(const Request& request) {
  int32_t slowest = 0;  // tokens in the largest share of this step so far
  for (const GroupSchedule& group : groups_) slowest = std::max(slowest, group.num_planned());
  std::optional<Choice> best;
  std::tuple<int32_t, int64_t, int32_t, int32_t> least;
  for (GroupSchedule& group : groups_) {
    std::optional<GroupSchedule::Fit> fit = group.FitOf(request, MaxChunk());
    if (!fit.has_value()) continue;
    // First the step that all wait for, then the steps to come, then room to grow.
    const std::tuple cost(
        std::max(0, group.num_planned() + fit->num_now - slowest),
        group.num_planned() + group.backlog() + request.num_remaining() - fit->num_cached,
        group.num_running(), group.blocks().num_used());
    if (best.has_value() && least <= cost) continue;
    least = cost;
    best = {.group = &group, .fit = *std::move(fit)};
  }
  return best;
}

absl::StatusOr<StepOutcome> Scheduler::Complete(const v1::StepResult& merged,
                                                std::chrono::microseconds period) {
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
  const PlanUnderWay& plan = under_way_.front();
  if (plan.num_samples != 0) {
    return absl::InternalError(
        fmt::format("step result: {} of the planned tokens are missing", plan.num_samples));
  }
  prompt_control_.Observe(plan.writing, plan.prompt_units, period.count());
  if (plan.is_steady) {
    draft_control_.Observe(plan.num_drafted, plan.num_drafts, merged.sampled_size(),
                           merged.timings().total_us());
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
  outcome.prompt_tokens.push_back({.id = request.id,
                                   .output = {.position = next,
                                              .logprob = scored.logprob(),
                                              .top = LikeliestOf(scored.top()),
                                              .full = FullOf(scored.full_logprobs())}});
  return absl::OkStatus();
}

absl::Status Scheduler::TakeToken(const v1::SampledToken& sampled, StepOutcome& outcome) {
  const auto it = requests_.find(sampled.sequence_id());
  if (it == requests_.end()) {
    auto& dropped = under_way_.front().dropped;
    const auto late = dropped.find(sampled.sequence_id());
    if (late != dropped.end() && late->second-- > 0) return absl::OkStatus();
    return WrongResult(sampled, "no such sequence in the plan");
  }
  Request& request = *it->second;
  SY_RETURN_IF_ERROR(Receive(sampled, request));
  if (request.num_generated() == 0) {
    outcome.prompts_done.push_back({.id = request.id, .num_cached_tokens = request.num_cached});
  }
  request.tokens.push_back(sampled.token());
  outcome.tokens.push_back({.id = request.id,
                            .output = {.token = sampled.token(),
                                       .logprob = sampled.logprob(),
                                       .top = LikeliestOf(sampled.top()),
                                       .full = FullOf(sampled.full_logprobs())}});
  if (const auto reason = ReasonToEnd(request)) {
    outcome.finished.push_back({.id = request.id, .finish = FinishOf(request, *reason)});
    DropAwaited(request);
    // The workers ended it, too: a plan ahead did not compute its last token.
    request.num_computed = std::min(request.num_computed, request.num_known() - 1);
    End(request);
  }
  return absl::OkStatus();
}

absl::Status Scheduler::Receive(const v1::SampledToken& sampled, Request& request) {
  PlanUnderWay& plan = under_way_.front();
  const bool is_first = request.received_in != plan.step;
  const bool is_awaited = is_first ? request.num_awaited > 0 && request.awaited[0].step == plan.step
                                   : request.num_receivable > 0;
  if (!is_awaited || sampled.position() != request.num_known()) {
    return WrongResult(sampled, "the plan does not ask for it, or it came twice");
  }
  if (sampled.token() < 0 || sampled.token() >= config_.vocab_size) {
    return WrongResult(sampled, fmt::format("outside the vocabulary of {}", config_.vocab_size));
  }
  if (is_first) {
    request.received_in = plan.step;
    request.num_receivable = request.awaited[0].num_drafts;
    request.awaited[0] = request.awaited[1];
    --request.num_awaited;
    --plan.num_samples;
    return absl::OkStatus();
  }
  // A draft was right: the workers are one position further than it was sure.
  --request.num_receivable;
  ++request.num_uncharged;
  if (request.group == Request::kNoGroup) return absl::OkStatus();
  ++request.num_computed;
  ++request.last_sampled_position;
  return absl::OkStatus();
}

std::optional<FinishReason> Scheduler::ReasonToEnd(const Request& request) const {
  const std::vector<int32_t>& stops = request.stop_token_ids;
  if (std::find(stops.begin(), stops.end(), request.tokens.back()) != stops.end())
    return FinishReason::kStop;
  if (request.num_generated() >= request.max_generated) return FinishReason::kLength;
  return std::nullopt;
}

// What plans under way still sample of a request that ends.
void Scheduler::DropAwaited(const Request& request) {
  for (PlanUnderWay& plan : under_way_) {
    if (plan.step == request.received_in) plan.dropped[request.id] = request.num_receivable;
    for (int32_t i = 0; i < request.num_awaited; ++i) {
      if (request.awaited[i].step != plan.step) continue;
      --plan.num_samples;
      plan.dropped[request.id] = 1 + request.awaited[i].num_drafts;
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

void Scheduler::End(Request& request) {
  Detach(request);
  if (request.deadline != Request::kNoDeadline) deadlines_.erase({request.deadline, request.id});
  tenants_.Leave(*request.tenant);
  places_.Begin(request.answer);
  requests_.erase(request.id);
}

std::vector<RequestEnd> Scheduler::FailAll(const absl::Status& status) {
  SY_CHECK(!status.ok());
  std::vector<Request*> requests;
  for (const auto& [id, request] : requests_) requests.push_back(request.get());
  std::sort(requests.begin(), requests.end(),
            [](const Request* a, const Request* b) { return a->arrival < b->arrival; });
  std::vector<RequestEnd> ended;
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
    for (const RequestId choice : places_.GoingWith(*request).waiting) {
      const auto it = requests_.find(choice);
      SY_CHECK(it != requests_.end() && !it->second->has_started()) << "request " << choice;
    }
  }
  for (const GroupSchedule& group : groups_) group.CheckIntegrity();
  waiting_.CheckIntegrity();
  places_.CheckIntegrity();
  tenants_.CheckIntegrity();
  SY_CHECK(prompts_.empty());
  SY_CHECK_LE(deadlines_.size(), requests_.size());
  for (const PlanUnderWay& plan : under_way_) num_awaited -= plan.num_samples;
  SY_CHECK_EQ(num_awaited, 0);
}

}  // namespace switchyard::core
