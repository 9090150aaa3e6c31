#include "coordinator/core/sched/group_schedule.h"

#include <algorithm>

#include "base/check.h"

namespace switchyard::core {
namespace {

bool IsOlder(const Request* a, const Request* b) { return a->arrival < b->arrival; }

}  // namespace

GroupSchedule::GroupSchedule(int32_t group, const Limits& limits)
    : group_(group), limits_(limits), blocks_(limits.num_blocks, limits.block_tokens) {
  SY_CHECK_GT(limits.max_running, 0);
  // Else a step could not give each running request its token, and the youngest would wait for the
  // others to end.
  SY_CHECK_LE(limits.max_running, limits.max_batched_tokens);
}

void GroupSchedule::BeginStep(uint64_t step) {
  step_ = step;
  budget_ = TokenBudget(limits_.max_batched_tokens);
  scored_ = TokenBudget(limits_.max_running);  // as many rows of logits as workers have for them
}

bool GroupSchedule::HasWork() const {
  return std::any_of(running_.begin(), running_.end(),
                     [](const Request* request) { return request->num_remaining() > 0; });
}

void GroupSchedule::PlanRunning(StepBuilder& builder, std::vector<Request*>& preempted) {
  // Preemption takes from the end, so whoever has got work already stays.
  for (size_t i = 0; i < running_.size(); ++i) {
    Request& request = *running_[i];
    if (request.num_remaining() != 1) continue;
    std::span<const int32_t> appended;
    if (!MakeRoom(request, preempted, appended)) break;
    AddWork(request, budget_.Take(1), appended, builder);
  }
  for (Request* request : running_) {
    if (request->sampled_in == step_) continue;  // it got its token above
    const int32_t count = TakeBudget(*request);
    if (count > 0) AddWork(*request, count, {}, builder);
  }
}

bool GroupSchedule::CanAdmit(const Request& request) const {
  return request.num_awaited == 0 && budget_.left() > 0 &&
         (request.NumScored(1) == 0 || scored_.left() > 0) && num_running() < limits_.max_running &&
         blocks_.CanAllocate(request.id, NumToCover(request), num_running());
}

void GroupSchedule::Admit(Request& request, StepBuilder& builder) {
  SY_CHECK(CanAdmit(request)) << "request " << request.id;
  request.group = group_;
  running_.insert(std::upper_bound(running_.begin(), running_.end(), &request, IsOlder), &request);
  builder.Start(request);
  const std::span<const int32_t> table = blocks_.Allocate(request.id, NumToCover(request));
  request.num_covered = static_cast<int32_t>(table.size()) * limits_.block_tokens;
  AddWork(request, TakeBudget(request), table, builder);
}

void GroupSchedule::Remove(Request& request) {
  const auto it = std::lower_bound(running_.begin(), running_.end(), &request, IsOlder);
  SY_CHECK(it != running_.end() && *it == &request)
      << "request " << request.id << " does not run here";
  running_.erase(it);
  Forget(request);
}

bool GroupSchedule::MakeRoom(Request& request, std::vector<Request*>& preempted,
                             std::span<const int32_t>& appended) {
  const int32_t needed = request.num_computed + 1;
  if (needed <= request.num_covered) return true;
  while (!blocks_.CanAllocate(request.id, needed)) {
    Request* youngest = running_.back();
    running_.pop_back();
    Forget(*youngest);
    preempted.push_back(youngest);
    if (youngest == &request) return false;
  }
  appended = blocks_.Allocate(request.id, needed);
  request.num_covered += static_cast<int32_t>(appended.size()) * limits_.block_tokens;
  return true;
}

int32_t GroupSchedule::TakeBudget(const Request& request) {
  int32_t count = std::min(request.num_remaining(), budget_.left());
  if (request.NumScored(count) > scored_.left()) count = scored_.left();
  scored_.Take(request.NumScored(count));
  return budget_.Take(count);
}

void GroupSchedule::AddWork(Request& request, int32_t count, std::span<const int32_t> new_blocks,
                            StepBuilder& builder) {
  const bool samples = count == request.num_remaining();
  builder.AddWork(request, count, new_blocks);
  request.num_computed += count;
  if (!samples) return;
  request.last_sampled_position = request.num_computed;
  request.sampled_in = step_;
  ++request.num_awaited;
}

void GroupSchedule::Forget(Request& request) {
  blocks_.Release(request.id);
  request.num_computed = 0;
  request.num_covered = 0;
  request.last_sampled_position = Request::kNone;
  request.group = Request::kNoGroup;
}

int32_t GroupSchedule::NumToCover(const Request& request) {
  return std::min(request.num_known() + 1, request.max_computed());
}

void GroupSchedule::CheckIntegrity() const {
  blocks_.CheckIntegrity();
  SY_CHECK(std::is_sorted(running_.begin(), running_.end(), IsOlder)) << "group " << group_;
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
}

}  // namespace switchyard::core
