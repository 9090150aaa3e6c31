#include "worker/sample/mask_preparer.h"

#include <utility>

namespace switchyard::worker {

MaskPreparer::~MaskPreparer() {
  {
    std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void MaskPreparer::Add(const std::shared_ptr<GrammarMasks>& masks) {
  std::lock_guard lock(mutex_);
  if (waiting_.size() >= kMaxGrammars) return;
  waiting_.push_back(masks);
  if (!thread_.joinable()) thread_ = std::thread([this] { Run(); });
  changed_.notify_all();
}

void MaskPreparer::WaitUntilIdle() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return waiting_.empty() && !works_; });
}

void MaskPreparer::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return ends_ || !waiting_.empty(); });
    if (ends_) return;
    std::weak_ptr<GrammarMasks> next = std::move(waiting_.front());
    waiting_.pop_front();
    works_ = true;
    lock.unlock();
    // It may be this thread that lets go of the grammar last.
    std::shared_ptr<GrammarMasks> masks = next.lock();
    const bool has_more = masks != nullptr && masks->PrepareOne();
    masks.reset();
    lock.lock();
    works_ = false;
    if (has_more) waiting_.push_back(std::move(next));
    changed_.notify_all();
  }
}

}  // namespace switchyard::worker
