#include "worker/parallel/connect_watch.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <utility>

namespace switchyard::worker {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

ConnectWatch::ConnectWatch(Deadline deadline, std::function<bool()> given_up,
                           std::function<void()> end_wait)
    : thread_([deadline, given_up = std::move(given_up),
               end_wait = std::move(end_wait)](const std::stop_token& stop) {
        std::mutex mutex;
        std::condition_variable_any never;
        std::unique_lock lock(mutex);
        while (!stop.stop_requested()) {
          if (Clock::now() >= deadline || (given_up && given_up())) return end_wait();
          never.wait_until(lock, stop, std::min(deadline, Clock::now() + kInterval),
                           [] { return false; });
        }
      }) {}

}  // namespace switchyard::worker
