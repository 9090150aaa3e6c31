#include "emulator/ptx/async_queue.h"

#include <utility>

namespace emu {

void AsyncQueue::Post(std::shared_ptr<AsyncOp> op) {
  if (mode_ == AsyncCompletion::kEager) {
    Finish(*op);
  } else {
    pending_.push_back(std::move(op));
  }
}

void AsyncQueue::Finish(AsyncOp& op) {
  if (op.done_) return;
  op.done_ = true;
  op.Perform();
}

void AsyncQueue::DropDone() {
  while (!pending_.empty() && pending_.front()->done()) pending_.pop_front();
}

bool AsyncQueue::PerformOne() {
  DropDone();
  if (pending_.empty()) return false;
  size_t index = 0;
  if (mode_ == AsyncCompletion::kRandom) {
    index = random_->Below(pending_.size());
    while (pending_[index]->done()) index = (index + 1) % pending_.size();
  }
  const std::shared_ptr<AsyncOp> op = pending_[index];
  Finish(*op);
  DropDone();
  return true;
}

void AsyncQueue::PerformAll() {
  while (PerformOne()) continue;
}

void AsyncQueue::Tick() {
  if (mode_ != AsyncCompletion::kRandom) return;
  while (random_->Below(2) == 0 && PerformOne()) continue;
}

bool AsyncQueue::empty() {
  DropDone();
  return pending_.empty();
}

void AsyncGroups::Commit() { committed_.push_back(std::exchange(open_, {})); }

}  // namespace emu
