// Looks after a wait for peers while ranks connect, from a thread of its own: ends it at a
// deadline, or soon after it is given up.
#ifndef SWITCHYARD_WORKER_PARALLEL_CONNECT_WATCH_H_
#define SWITCHYARD_WORKER_PARALLEL_CONNECT_WATCH_H_

#include <chrono>
#include <functional>
#include <stop_token>
#include <thread>

namespace switchyard::worker {

class ConnectWatch {
 public:
  using Deadline = std::chrono::steady_clock::time_point;
  // How often `given_up` is asked.
  static constexpr std::chrono::milliseconds kInterval{100};

  // `end_wait` is called at most once, on the watch's thread, and not after the destructor has
  // returned. `given_up` may be empty.
  ConnectWatch(Deadline deadline, std::function<bool()> given_up, std::function<void()> end_wait);

 private:
  const std::jthread thread_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_PARALLEL_CONNECT_WATCH_H_
