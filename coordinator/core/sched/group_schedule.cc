#include "coordinator/core/sched/group_schedule.h"

#include <algorithm>

#include "base/check.h"

namespace switchyard::core {
namespace {

bool IsOlder(const Request* a, const Request* b) { return a->arrival < b->arrival; }
bool GoesBefore(const Request* a, const Request* b) { return a->rank() < b->rank(); }

}  // namespace

GroupSchedule::GroupSchedule(int32_t group, const Limits& limits, const Tenants& tenants)
    : group_(group),
      limits_(limits),
      tenants_(tenants),
      blocks_(limits.num_blocks, limits.block_tokens, limits.windows) {
  SY_CHECK_GT(limits.max_running, 0);
  // Else a step could not give each running request its token, and the last would wait for the
  // others to end.
  SY_CHECK_LE(limits.max_running, limits.max_batched_tokens);
  SY_CHECK_NE(limits.max_full_logprobs, 1);
}

void GroupSchedule::BeginStep(uint64_t step, const PromptBound& bound) {
  step_ = step;
  budget_ = TokenBudget(limits_.max_batched_tokens);
  bound_ = bound;
  prompt_units_ = 0;
  extra_rows_ = TokenBudget(limits_.max_running);  // as many as workers have memory for
  full_logprobs_ = TokenBudget(limits_.max_full_logprobs);
  backlog_ = 0;
  uses_.reset();
  Order();
}

void GroupSchedule::Order() {
  if (!std::is_sorted(running_.begin(), running_.end(), IsOlder)) {
    std::sort(running_.begin(), running_.end(), IsOlder);
  }
  if (std::is_sorted(running_.begin(), running_.end(), GoesBefore)) return;
  // In a tenant's places stand its own by rank.
  absl::flat_hash_map<const Tenant*, std::vector<Request*>> own;  // looked up only, last first
  for (Request* request : running_) own[request->tenant].push_back(request);
  for (auto& [tenant, requests] : own) {
    std::sort(requests.rbegin(), requests.rend(), GoesBefore);
  }
  for (Request*& place : running_) {
    std::vector<Request*>& rest = own.find(place->tenant)->second;
    place = rest.back();
    rest.pop_back();
  }
}

bool GroupSchedule::HasWork() const {
  return std::any_of(running_.begin(), running_.end(),
                     [](const Request* request) { return request->num_remaining() > 0; });
}

int32_t GroupSchedule::num_drafted() const {
  return static_cast<int32_t>(
      std::count_if(running_.begin(), running_.end(), [](const Request* request) {
        return request->is_drafted && request->goes_on() && request->num_remaining() == 1;
      }));
}

int32_t GroupSchedule::num_generating() const {
  return static_cast<int32_t>(
      std::count_if(running_.begin(), running_.end(),
                    [](const Request* request) { return request->num_remaining() == 1; }));
}

Writing GroupSchedule::WritingOf(int32_t num_drafts) const {
  Writing writing;
  for (const Request* request : running_) {
    if (request->num_remaining() != 1) continue;
    writing.num_rows += 1 + NumWanted(*request, num_drafts);
    writing.num_keys += request->num_computed;
  }
  return writing;
}

// Drafts are planned before prompts, and could want all there is in every step: of tokens, and of
// rows of logits, which prompts need whose log probabilities are reported.
TokenBudget GroupSchedule::BudgetForDrafts(const Request* first_waiting) const {
  bool has_prompts = first_waiting != nullptr;
  bool has_scored = has_prompts && first_waiting->NumScored(1) > 0;
  for (const Request* request : running_) {
    if (request->num_remaining() <= 1) continue;
    has_prompts = true;
    has_scored |= request->NumScored(1) > 0;
  }
  const int32_t tokens = std::max(0, budget_.left() - num_generating());
  const int32_t rows = extra_rows_.left();
  return TokenBudget(std::min(has_prompts ? tokens / 2 : tokens, has_scored ? rows / 2 : rows));
}

// Prompts come after answers, and have half if they want any: one at least.
int32_t GroupSchedule::NumFullForAnswers(const Request* first_waiting) const {
  const auto is_prompt = [](const Request* request) {
    return request->num_remaining() > 1 && request->reports_full();
  };
  const bool has_prompts = (first_waiting != nullptr && first_waiting->reports_full()) ||
                           std::any_of(running_.begin(), running_.end(), is_prompt);
  const int32_t all = full_logprobs_.left();
  return has_prompts ? all / 2 : all;
}

void GroupSchedule::ChooseFullAnswers(const Request* first_waiting) {
  std::vector<Request*> wanting;
  for (Request* request : running_) {
    if (request->full_answer() && request->num_remaining() == 1) wanting.push_back(request);
  }
  if (wanting.empty()) return;
  std::stable_sort(wanting.begin(), wanting.end(), [](const Request* a, const Request* b) {
    return a->tenant->turn() < b->tenant->turn();
  });
  const size_t num = NumFullForAnswers(first_waiting);
  wanting.resize(std::min(wanting.size(), num));
  for (Request* request : wanting) request->full_in = step_;
}

int32_t GroupSchedule::NumWanted(const Request& request, int32_t num_drafts) const {
  if (!request.is_drafted || !request.goes_on()) return 0;
  return request.grammar != nullptr ? std::max(num_drafts, limits_.max_forced) : num_drafts;
}

int32_t GroupSchedule::NumDrafts(const Request& request, int32_t num_drafts, int32_t num_owed,
                                 int32_t num_left) const {
  const int32_t wanted = NumWanted(request, num_drafts);
  return std::clamp(std::min(budget_.left() - num_owed, num_left), 0, wanted);
}

void GroupSchedule::PlanTokens(int32_t num_drafts, const Request* first_waiting,
                               StepBuilder& builder, std::vector<Request*>& preempted) {
  // Drafts come after everyone's own token.
  int32_t num_owed = num_generating();
  TokenBudget for_drafts = BudgetForDrafts(first_waiting);
  ChooseFullAnswers(first_waiting);
  for (size_t place = 0; place < running_.size();) {
    Request& request = *running_[place];
    if (request.num_remaining() == 1 && request.full_answer() && request.full_in != step_) {
      --num_owed;
    } else if (request.num_remaining() == 1) {
      int32_t drafts = NumDrafts(request, num_drafts, num_owed, for_drafts.left());
      std::span<const int32_t> appended;
      if (drafts > 0 && !MakeRoomForDrafts(request, drafts, appended)) drafts = 0;
      if (drafts == 0 && !MakeRoom(place, preempted, appended)) {
        --num_owed;
        continue;  // another stands here now, or none
      }
      --num_owed;
      budget_.Take(1 + drafts);
      for_drafts.Take(drafts);
      extra_rows_.Take(drafts);
      full_logprobs_.Take(request.full_answer() ? 1 : 0);
      AddWork(request, 1, drafts, appended, builder);
    }
    ++place;
  }
  for (const Request* request : running_) {
    if (request->sampled_in != step_) backlog_ += request->num_remaining();
  }
}

int32_t GroupSchedule::PlanChunk(Request& request, int32_t max_tokens, StepBuilder& builder) {
  const int32_t count = TakeBudget(request, max_tokens);
  if (count == 0) return 0;
  backlog_ -= count;
  AddWork(request, count, 0, {}, builder);
  return count;
}

std::vector<int32_t> GroupSchedule::FindPrefix(const Request& request) const {
  if (!limits_.prefix_cache) return {};
  return blocks_.FindPrefix(request.chain(request.num_known()), request.max_cached());
}

std::optional<GroupSchedule::Fit> GroupSchedule::FitOf(const Request& request,
                                                       int32_t max_tokens) const {
  // What costs little is asked first; at least one block is new in any case.
  if (request.num_awaited > 0 || !has_budget() || num_running() >= limits_.max_running ||
      (request.NumScored(1) > 0 && extra_rows_.left() == 0) ||
      (request.NumFull(request.num_computed, 1) > full_logprobs_.left()) ||
      blocks_.num_free() <= num_running()) {
    return std::nullopt;
  }
  Fit fit{.prefix = FindPrefix(request)};
  if (NumFreeNeeded(request, fit.prefix) + num_running() > blocks_.num_free()) return std::nullopt;
  fit.num_cached = static_cast<int32_t>(fit.prefix.size()) * limits_.block_tokens;
  fit.num_now = FitRows(request, fit.num_cached, FitBudget(request, fit.num_cached, max_tokens));
  if (fit.num_now == 0) return std::nullopt;
  return fit;
}

int32_t GroupSchedule::Admit(Request& request, const Fit& fit, int32_t max_tokens,
                             StepBuilder& builder) {
  request.group = group_;
  running_.push_back(&request);
  uses_.reset();
  const std::span<const int32_t> table = blocks_.Begin(request.id, NumToCover(request), fit.prefix);
  request.num_covered = static_cast<int32_t>(table.size()) * limits_.block_tokens;
  request.num_computed = fit.num_cached;
  request.begun_at = fit.num_cached;
  request.num_full_blocks = static_cast<int32_t>(fit.prefix.size());
  if (request.num_cached == Request::kNone) request.num_cached = fit.num_cached;
  builder.Start(request);
  const int32_t count = TakeBudget(request, max_tokens);
  SY_CHECK_GT(count, 0) << "request " << request.id;
  backlog_ += request.num_remaining() - count;
  AddWork(request, count, 0, table, builder);
  return count;
}

GroupSchedule::Uses GroupSchedule::CountUses() const {
  Uses uses;
  for (const Request* request : running_) {
    Use& use = uses.try_emplace(request->tenant, Use{.first = request}).first->second;
    ++use.num_running;
    use.num_blocks += request->num_covered / limits_.block_tokens;
  }
  return uses;
}

const GroupSchedule::Uses& GroupSchedule::UseByTenant() {
  if (!uses_.has_value()) uses_ = CountUses();
  return *uses_;
}

bool GroupSchedule::WouldBeOver(const Request& request) const {
  int32_t num_running = 1;
  int32_t num_blocks = blocks_.BlocksFor(NumToCover(request));
  for (const Request* other : running_) {
    if (other->tenant != request.tenant) continue;
    ++num_running;
    num_blocks += other->num_covered / limits_.block_tokens;
  }
  return num_running > PlacesOf(*request.tenant) || num_blocks > BlocksOf(*request.tenant);
}

bool GroupSchedule::IsLargerThanShare(const Request& request) const {
  return blocks_.BlocksFor(NumToCover(request)) > BlocksOf(*request.tenant);
}

double GroupSchedule::PlacesOf(const Tenant& tenant) const {
  return std::max(1.0, tenants_.ShareOf(tenant, limits_.max_running));
}

double GroupSchedule::BlocksOf(const Tenant& tenant) const {
  return tenants_.ShareOf(tenant, limits_.num_blocks);
}

bool GroupSchedule::HasRoom(const Request& request) const {
  return num_running() < limits_.max_running &&
         NumFreeNeeded(request, {}) + 2 * num_running() <= blocks_.num_free();
}

bool GroupSchedule::MakeWay(const Request& request, std::vector<Request*>& preempted) {
  if (request.num_awaited > 0 || WouldBeOver(request)) return false;
  Uses uses = UseByTenant();
  const int32_t num_new = blocks_.BlocksFor(NumToCover(request));
  // As if nothing were shared: what is shared makes more room than is counted here.
  std::vector<size_t> victims;  // places in running_, last first
  int32_t num_left = num_running();
  int32_t num_free = blocks_.num_free();
  for (size_t place = running_.size(); place-- > 0;) {
    const bool full = num_left >= limits_.max_running;
    if (!full && num_new + 2 * num_left <= num_free) break;
    const Request& victim = *running_[place];
    Use& use = uses.find(victim.tenant)->second;
    const bool over = full ? use.num_running > PlacesOf(*victim.tenant)
                           : use.num_blocks > BlocksOf(*victim.tenant);
    if (!over || use.first == &victim) continue;
    const int32_t held = victim.num_covered / limits_.block_tokens;
    victims.push_back(place);
    --num_left;
    --use.num_running;
    use.num_blocks -= held;
    for (const int32_t block : blocks_.Table(victim.id))
      num_free += blocks_.IsShared(block) ? 0 : 1;
  }
  if (num_left >= limits_.max_running || num_new + 2 * num_left > num_free) return false;
  for (const size_t place : victims) Preempt(place, preempted);
  return true;
}

size_t GroupSchedule::VictimFrom(size_t place) {
  const size_t last = running_.size() - 1;
  if (tenants_.num_active() < 2) return last;
  const Uses& uses = UseByTenant();
  for (size_t victim = running_.size(); victim-- > place;) {
    const Request& request = *running_[victim];
    const Use& use = uses.find(request.tenant)->second;
    if (use.first != &request && use.num_blocks > BlocksOf(*request.tenant)) return victim;
  }
  return last;
}

bool GroupSchedule::MakeRoom(size_t place, std::vector<Request*>& preempted,
                             std::span<const int32_t>& appended) {
  Request& request = *running_[place];
  // What drafts under way may have got to is the workers' to write, too.
  const int32_t needed =
      std::min(request.num_computed + request.num_drafts_awaited() + 1, request.max_computed());
  if (needed <= request.num_covered) return true;
  while (!blocks_.CanAllocate(request.id, needed)) {
    const size_t victim = VictimFrom(place);
    Preempt(victim, preempted);
    if (victim == place) return false;
  }
  Cover(request, needed, appended);
  return true;
}

bool GroupSchedule::MakeRoomForDrafts(Request& request, int32_t num_drafts,
                                      std::span<const int32_t>& appended) {
  // The drafts that are made behind these write there, too, all but the last.
  const int32_t last = request.num_computed + request.num_drafts_awaited() + 2 * num_drafts;
  const int32_t needed = std::min(last, request.max_computed());
  if (needed <= request.num_covered) return true;
  if (!blocks_.CanAllocate(request.id, needed, /*num_spare=*/num_running())) return false;
  Cover(request, needed, appended);
  return true;
}

void GroupSchedule::Cover(Request& request, int32_t num_tokens,
                          std::span<const int32_t>& appended) {
  appended = blocks_.Allocate(request.id, num_tokens);
  request.num_covered += static_cast<int32_t>(appended.size()) * limits_.block_tokens;
  if (uses_.has_value()) {
    uses_->find(request.tenant)->second.num_blocks += static_cast<int32_t>(appended.size());
  }
}

void GroupSchedule::Preempt(size_t place, std::vector<Request*>& preempted) {
  Request* const request = running_[place];
  running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(place));
  if (uses_.has_value()) {
    Use& use = uses_->find(request->tenant)->second;
    --use.num_running;
    use.num_blocks -= request->num_covered / limits_.block_tokens;
  }
  Forget(*request);
  preempted.push_back(request);
}

void GroupSchedule::Remove(Request& request) {
  const auto it = std::find(running_.begin(), running_.end(), &request);
  SY_CHECK(it != running_.end()) << "request " << request.id << " does not run here";
  running_.erase(it);
  uses_.reset();
  Forget(request);
}

int32_t GroupSchedule::FitBudget(const Request& request, int32_t begin, int32_t max_tokens) const {
  const int32_t remaining = request.num_remaining() - (begin - request.num_computed);
  const int32_t wanted = std::min({remaining, max_tokens, budget_.left()});
  if (bound_.units <= 0) return 0;
  const PromptCost& cost = limits_.prompt_cost;
  const int32_t begun_at = request.group == Request::kNoGroup ? begin : request.begun_at;
  const bool is_short = cost.Of(begun_at, begin - begun_at + remaining) <= bound_.short_units;
  const int32_t fitting = is_short ? wanted : cost.Fit(begin, wanted, bound_.units);
  return std::max(fitting, std::min(wanted, cost.LeastFrom(begin)));
}

int32_t GroupSchedule::FitRows(const Request& request, int32_t begin, int32_t count) const {
  if (request.NumScored(begin, count) > extra_rows_.left()) count = extra_rows_.left();
  const int32_t full = full_logprobs_.left();
  if (request.NumFull(begin, count) <= full) return count;
  // Either the prompt has more to be scored than there is room, or all but the last token fits,
  // which samples.
  const bool scores_more =
      request.full_prompt() && request.NumScored(begin, request.prompt_length) > full;
  return scores_more ? full : count - 1;
}

int32_t GroupSchedule::TakeBudget(const Request& request, int32_t max_tokens) {
  const int32_t begin = request.num_computed;
  const int32_t count = FitRows(request, begin, FitBudget(request, begin, max_tokens));
  full_logprobs_.Take(request.NumFull(begin, count));
  extra_rows_.Take(request.NumScored(count));
  prompt_units_ += limits_.prompt_cost.Of(request.num_computed, count);
  return budget_.Take(count);
}

void GroupSchedule::AddWork(Request& request, int32_t count, int32_t num_drafts,
                            std::span<const int32_t> new_blocks, StepBuilder& builder) {
  const bool samples = count == request.num_remaining();
  StepBuilder::NewBlocks blocks{.all = new_blocks};
  if (limits_.windows.num_blocks > 0) {
    // As far as the workers may write, drafts of plans under way and behind these drafts included.
    const int32_t last = request.num_computed + request.num_drafts_awaited();
    const int32_t end = std::min(last + std::max(count, 2 * num_drafts), request.num_covered);
    blocks.windowed = blocks_.CoverWindow(request.id, end);
  }
  builder.AddWork(request, count, num_drafts, blocks);
  request.num_computed += count;
  if (!samples) return;
  request.last_sampled_position = request.num_computed;
  request.sampled_in = step_;
  request.awaited[request.num_awaited++] = {.step = step_, .num_drafts = num_drafts};
}

void GroupSchedule::EndStep() {
  for (Request* request : running_) {
    Publish(*request);
    blocks_.SlideWindow(request->id, request->num_computed);
  }
}

// A token that is awaited is computed and not known: its block is published when it has come.
void GroupSchedule::Publish(Request& request) {
  if (!limits_.prefix_cache) return;
  const int32_t num_tokens = std::min(request.num_computed, request.num_known());
  const int32_t num_full = num_tokens / limits_.block_tokens;
  if (num_full <= request.num_full_blocks) return;
  request.num_full_blocks = num_full;
  blocks_.Publish(request.id, request.chain(num_full * limits_.block_tokens));
}

void GroupSchedule::Forget(Request& request) {
  Publish(request);
  blocks_.Release(request.id);
  request.num_computed = 0;
  request.num_covered = 0;
  request.num_full_blocks = 0;
  request.last_sampled_position = Request::kNone;
  request.group = Request::kNoGroup;
}

int32_t GroupSchedule::NumToCover(const Request& request) {
  return std::min(request.num_known() + 1, request.max_computed());
}

void GroupSchedule::CheckIntegrity() const {
  blocks_.CheckIntegrity();
  SY_CHECK_LE(num_running(), limits_.max_running);
  SY_CHECK_EQ(blocks_.num_tables(), num_running())
      << "tables of requests that do not run, group " << group_;
  for (const Request* request : running_) {
    SY_CHECK_EQ(request->group, group_) << "request " << request->id;
    SY_CHECK_LE(request->num_computed, request->num_covered) << "request " << request->id;
    SY_CHECK_EQ(static_cast<int32_t>(blocks_.Table(request->id).size()) * limits_.block_tokens,
                request->num_covered)
        << "request " << request->id;
    SY_CHECK_GE(request->num_remaining(), 0) << "request " << request->id;
  }
  if (!uses_.has_value()) return;
  const Uses uses = CountUses();
  for (const auto& [tenant, known] : *uses_) {
    const auto it = uses.find(tenant);
    const Use use = it == uses.end() ? Use{} : it->second;
    SY_CHECK_EQ(known.num_running, use.num_running) << "tenant " << tenant->name;
    SY_CHECK_EQ(known.num_blocks, use.num_blocks) << "tenant " << tenant->name;
  }
}

}  // namespace switchyard::core
