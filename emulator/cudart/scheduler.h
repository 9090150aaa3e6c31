// Decides when queued operations run (settings.h, streams=): at the latest moment, which is when
// somebody waits for them; at once; or in a random order among the streams that could go on.
// Whatever the order, it is one that a device might take.
//
// The thread that waits runs the work, without the lock. Operations that may block (collectives,
// host functions, events of other processes) run on helper threads, so that queries return and
// other streams go on, as on a device. If a wait meets a blocked operation, other ready streams
// are run too, for it may need them.
//
// Owner: Runtime. Thread: any; every method wants Runtime::mutex held by `lock`.
#ifndef SWITCHYARD_EMULATOR_CUDART_SCHEDULER_H_
#define SWITCHYARD_EMULATOR_CUDART_SCHEDULER_H_

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <random>
#include <vector>

#include "emulator/cudart/settings.h"
#include "emulator/cudart/stream.h"

namespace emu {

using Lock = std::unique_lock<std::mutex>;

class Scheduler {
 public:
  Scheduler(std::mutex& mutex, const Settings& settings);

  void AddStream(const std::shared_ptr<Stream>& stream);
  // A destroyed stream leaves when its work is done.
  void Retire(const std::shared_ptr<Stream>& stream);

  // Puts an operation at the stream's end. REQUIRES: the stream does not capture.
  void Enqueue(Lock& lock, Stream& stream, Operation operation);
  // Returns when `target` is reached.
  void WaitFor(Lock& lock, const Point& target);
  // Waits for all that is queued on the device now.
  void WaitForDevice(Lock& lock, const Device& device);
  // Some progress towards `target`, without waiting for anything outside: what a query does.
  void Nudge(Lock& lock, const Point& target);

  const std::vector<std::shared_ptr<Stream>>& streams() const { return streams_; }

 private:
  struct Blocking {  // an operation handed to a helper
    std::shared_ptr<Stream> stream;
    Operation operation;
  };

  static bool Ready(const Stream& stream);
  static Stream* NeededBy(Stream& stream, std::vector<const Stream*>* seen);
  Stream* AnyReady();
  Stream* Choose(const Point& target);
  // Starts the stream's first operation; unless it may block, also ends it.
  void RunHead(Lock& lock, Stream& stream);
  void Execute(Lock& lock, Stream& stream, Operation operation);
  void RunAllReady(Lock& lock);
  void HelperLoop();
  void ProgressLoop();
  Stream* Overdue();
  void DropRetired();

  std::mutex& mutex_;
  const Settings& settings_;
  std::minstd_rand random_;
  std::vector<std::shared_ptr<Stream>> streams_;
  std::vector<std::shared_ptr<Stream>> retired_;  // also in streams_
  std::condition_variable progress_;              // an operation is complete
  std::condition_variable queued_;                // an operation was queued
  size_t num_pending_ = 0;
  size_t num_blocking_ = 0;  // operations that run on helpers
  std::deque<Blocking> for_helpers_;
  std::condition_variable helper_wanted_;
  size_t idle_helpers_ = 0;
  bool has_progress_thread_ = false;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_SCHEDULER_H_
