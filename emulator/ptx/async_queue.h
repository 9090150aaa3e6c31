// Asynchronous operations of one gang between their issue and their effect. The mode decides when
// an operation nobody has waited for takes effect: at issue, only when no warp can go on, or at
// random moments in random order. Waiting forces it (Finish).
//
// Owner: the gang. Thread: the gang's.
#ifndef SWITCHYARD_EMULATOR_PTX_ASYNC_QUEUE_H_
#define SWITCHYARD_EMULATOR_PTX_ASYNC_QUEUE_H_

#include <cstdint>
#include <deque>
#include <memory>

#include "emulator/ptx/options.h"
#include "emulator/ptx/random.h"

namespace emu {

// One copy, or whatever else takes effect later. Shared by the queue and by the group that a thread
// may wait for.
class AsyncOp {
 public:
  virtual ~AsyncOp() = default;
  bool done() const { return done_; }

 private:
  friend class AsyncQueue;
  virtual void Perform() = 0;  // once
  bool done_ = false;
};

class AsyncQueue {
 public:
  // REQUIRES: `random` outlives the queue.
  AsyncQueue(AsyncCompletion mode, Random* random) : mode_(mode), random_(random) {}

  void Post(std::shared_ptr<AsyncOp> op);
  // Performs `op` now unless it is done.
  void Finish(AsyncOp& op);
  // Performs one pending operation: the oldest, in random mode any. False: none is pending.
  bool PerformOne();
  void PerformAll();
  // Called once per scheduler round: in random mode performs some.
  void Tick();
  bool empty();

  AsyncCompletion mode() const { return mode_; }

 private:
  void DropDone();

  AsyncCompletion mode_;
  Random* random_;
  std::deque<std::shared_ptr<AsyncOp>> pending_;  // may hold done ones
};

// The groups of bulk copies that one thread commits and waits for. (cp.async: copy_groups.h.)
class AsyncGroups {
 public:
  void Add(std::shared_ptr<AsyncOp> op) { open_.push_back(std::move(op)); }
  void Commit();
  // Forces every group but the newest `keep`; calls ended(op) for each operation of those.
  template <class Ended>
  void Wait(uint32_t keep, AsyncQueue& queue, Ended ended) {
    while (committed_.size() > keep) {
      for (const auto& op : committed_.front()) {
        queue.Finish(*op);
        ended(*op);
      }
      committed_.pop_front();
    }
  }
  // Calls visit(op) for each operation of every group but the newest `keep`; the groups stay.
  template <class Visit>
  void ForEachCommitted(uint32_t keep, Visit visit) const {
    for (size_t i = 0; i + keep < committed_.size(); ++i) {
      for (const auto& op : committed_[i]) visit(*op);
    }
  }
  // Operations added since the last commit.
  const std::deque<std::shared_ptr<AsyncOp>>& open() const { return open_; }

 private:
  std::deque<std::shared_ptr<AsyncOp>> open_;
  std::deque<std::deque<std::shared_ptr<AsyncOp>>> committed_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_ASYNC_QUEUE_H_
