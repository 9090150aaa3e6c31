// Work that waits until the test says so.
#ifndef SWITCHYARD_TESTS_TESTING_HELD_EXECUTOR_H_
#define SWITCHYARD_TESTS_TESTING_HELD_EXECUTOR_H_

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <utility>

#include "coordinator/gateway/executor.h"

namespace switchyard::testing {

// Thread-safe.
class HeldExecutor final : public gateway::Executor {
 public:
  void Post(std::function<void()> work) override {
    std::lock_guard lock(mutex_);
    waiting_.push_back(std::move(work));
    posted_.notify_all();
  }
  // Until there is some; gives up after 20 seconds and returns false.
  bool WaitForWork() {
    std::unique_lock lock(mutex_);
    return posted_.wait_for(lock, std::chrono::seconds(20), [&] { return !waiting_.empty(); });
  }
  // The first in line, here; false if there is none.
  bool RunOne() {
    std::unique_lock lock(mutex_);
    if (waiting_.empty()) return false;
    const std::function<void()> work = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    work();
    return true;
  }

 private:
  std::mutex mutex_;
  std::condition_variable posted_;
  std::deque<std::function<void()>> waiting_;
};

}  // namespace switchyard::testing

#endif  // SWITCHYARD_TESTS_TESTING_HELD_EXECUTOR_H_
