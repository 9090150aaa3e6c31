#include "coordinator/core/sched/queue_places.h"

#include <algorithm>

#include "base/check.h"
#include "base/field_error.h"

namespace switchyard::core {

int32_t QueuePlaces::NumLacking(const NewRequest& request, int32_t num_waiting) const {
  if (IsKept(request)) return 0;
  const int64_t num_taken = int64_t{num_waiting} + num_kept_ + 1 + request.num_following;
  return static_cast<int32_t>(std::max<int64_t>(0, num_taken - most_));
}

absl::Status QueuePlaces::CheckFits(const NewRequest& request, int32_t most) {
  if (request.num_following < most) return absl::OkStatus();
  return AboutField(
      absl::InvalidArgumentError(fmt::format("{} answers are more than the {} that may wait",
                                             int64_t{request.num_following} + 1, most)),
      "n");
}

absl::Status QueuePlaces::Check(const NewRequest& request, int32_t num_waiting) const {
  if (NumLacking(request, num_waiting) == 0) return absl::OkStatus();
  SY_RETURN_IF_ERROR(CheckFits(request, most_));
  return absl::ResourceExhaustedError(
      fmt::format("{} requests are waiting already, try again later", num_waiting));
}

bool QueuePlaces::IsKept(const NewRequest& request) const {
  const auto it = answers_.find(request.follows);
  return it != answers_.end() && it->second.num_kept > 0;
}

RequestId QueuePlaces::Enter(const NewRequest& request) {
  if (IsKept(request)) {
    const auto it = answers_.find(request.follows);
    Answer& answer = it->second;
    Release(answer, 1);
    if (!answer.waiting.empty()) answer.waiting.push_back(request.id);
    ForgetIfDone(it);
    return request.follows;
  }
  if (request.num_following == 0) return 0;
  answers_.emplace(
      request.id,
      Answer{.tenant = request.tenant, .num_kept = request.num_following, .waiting = {request.id}});
  num_kept_ += request.num_following;
  num_kept_of_[request.tenant] += request.num_following;
  return request.id;
}

void QueuePlaces::Begin(RequestId answer) {
  const auto it = answers_.find(answer);
  if (it == answers_.end()) return;
  it->second.waiting.clear();
  ForgetIfDone(it);
}

void QueuePlaces::Forget(RequestId first) {
  const auto it = answers_.find(first);
  if (it == answers_.end()) return;
  Release(it->second, it->second.num_kept);
  ForgetIfDone(it);
}

void QueuePlaces::Release(Answer& answer, int32_t num) {
  if (num == 0) return;
  answer.num_kept -= num;
  num_kept_ -= num;
  const auto of_tenant = num_kept_of_.find(answer.tenant);
  of_tenant->second -= num;
  if (of_tenant->second == 0) num_kept_of_.erase(of_tenant);
}

void QueuePlaces::ForgetIfDone(Answers::iterator it) {
  if (it->second.num_kept == 0 && it->second.waiting.empty()) answers_.erase(it);
}

int32_t QueuePlaces::NumKeptOf(const std::string& tenant) const {
  const auto it = num_kept_of_.find(tenant);
  return it == num_kept_of_.end() ? 0 : it->second;
}

QueuePlaces::Group QueuePlaces::GoingWith(const Request& waiting) const {
  if (waiting.answer == 0) {
    if (waiting.has_started()) return {};
    return {.waiting = std::span(&waiting.id, 1), .num_places = 1};
  }
  const auto it = answers_.find(waiting.answer);
  if (it == answers_.end()) return {};
  const Answer& answer = it->second;
  if (answer.waiting.empty() || answer.waiting.back() != waiting.id) return {};
  return {.waiting = answer.waiting,
          .num_places = static_cast<int32_t>(answer.waiting.size()) + answer.num_kept};
}

void QueuePlaces::CheckIntegrity() const {
  int32_t num_kept = 0;
  absl::flat_hash_map<std::string, int32_t> num_kept_of;
  for (const auto& [first, answer] : answers_) {
    SY_CHECK(answer.num_kept > 0 || !answer.waiting.empty()) << "answer " << first;
    num_kept += answer.num_kept;
    if (answer.num_kept > 0) num_kept_of[answer.tenant] += answer.num_kept;
  }
  SY_CHECK_EQ(num_kept, num_kept_);
  SY_CHECK(num_kept_of == num_kept_of_);
}

}  // namespace switchyard::core
