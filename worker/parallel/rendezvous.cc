#include "worker/parallel/rendezvous.h"

#include <algorithm>

namespace switchyard::worker {

absl::StatusOr<std::string> WaitUnlessGivenUp(RendezvousStore& store, std::string_view key,
                                              RendezvousStore::Deadline deadline,
                                              const std::function<bool()>& given_up) {
  if (!given_up) return store.Wait(key, deadline);
  constexpr std::chrono::milliseconds kInterval(200);
  while (!given_up()) {
    const auto now = std::chrono::steady_clock::now();
    absl::StatusOr<std::string> value = store.Wait(key, std::min(deadline, now + kInterval));
    if (!absl::IsDeadlineExceeded(value.status()) || now + kInterval >= deadline) return value;
  }
  return absl::CancelledError("connecting was given up");
}

absl::Status LocalRendezvous::Put(std::string_view key, std::string_view value) {
  if (std::ssize(key) > kMaxKeyBytes || std::ssize(value) > kMaxValueBytes) {
    return absl::InvalidArgumentError(
        fmt::format("rendezvous entry of {} + {} bytes: at most {} for a key and {} for a value",
                    key.size(), value.size(), kMaxKeyBytes, kMaxValueBytes));
  }
  {
    std::lock_guard lock(mutex_);
    const auto found = values_.find(key);
    if (found != values_.end()) {
      if (found->second == value) return absl::OkStatus();
      return absl::AlreadyExistsError(
          fmt::format("rendezvous key \"{}\" is set to other bytes", key));
    }
    if (values_.size() >= kMaxKeys) {
      return absl::ResourceExhaustedError(
          fmt::format("rendezvous table is full: {} keys", kMaxKeys));
    }
    values_.emplace(key, value);
  }
  changed_.notify_all();
  return absl::OkStatus();
}

absl::StatusOr<std::string> LocalRendezvous::Wait(std::string_view key, Deadline deadline) {
  std::unique_lock lock(mutex_);
  auto found = values_.end();
  const bool done = changed_.wait_until(lock, deadline, [&] {
    found = values_.find(key);
    return cancelled_ || found != values_.end();
  });
  if (cancelled_) return absl::CancelledError("the start-up was given up");
  if (!done) {
    return absl::DeadlineExceededError(fmt::format("nobody set rendezvous key \"{}\"", key));
  }
  return found->second;
}

void LocalRendezvous::Cancel() {
  {
    std::lock_guard lock(mutex_);
    cancelled_ = true;
  }
  changed_.notify_all();
}

}  // namespace switchyard::worker
