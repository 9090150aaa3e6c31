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

void QueuePlaces::Enter(const NewRequest& request) {
  if (const auto it = kept_.find(request.follows); it != kept_.end()) {
    --num_kept_;
    if (--it->second == 0) kept_.erase(it);
  } else if (request.num_following > 0) {
    kept_.emplace(request.id, request.num_following);
    num_kept_ += request.num_following;
  }
}

void QueuePlaces::Forget(RequestId first) {
  const auto it = kept_.find(first);
  if (it == kept_.end()) return;
  num_kept_ -= it->second;
  kept_.erase(it);
}

void QueuePlaces::CheckIntegrity() const {
  int32_t num_kept = 0;
  for (const auto& [first, num] : kept_) {
    SY_CHECK_GT(num, 0) << "places behind request " << first;
    num_kept += num;
  }
  SY_CHECK_EQ(num_kept, num_kept_);
}

}  // namespace switchyard::core
