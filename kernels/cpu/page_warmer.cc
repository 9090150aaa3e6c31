#include "kernels/cpu/page_warmer.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>

namespace switchyard::kernels::cpu {
namespace {

// False where the system cannot (Linux before 5.14): the first touch brings the page then.
bool Touch(std::byte* begin, int64_t num_bytes) {
  return madvise(begin, static_cast<size_t>(num_bytes), MADV_POPULATE_WRITE) == 0;
}

}  // namespace

PageWarmer::~PageWarmer() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
    if (gate_ != nullptr) gate_->Close();
  }
  added_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void PageWarmer::Add(const std::shared_ptr<HugePages>& pages) {
  {
    const std::lock_guard lock(mutex_);
    waiting_.push_back(pages);
    if (gate_ == nullptr) {
      gate_ = std::make_unique<IdleGate>();
      thread_ = std::thread([this] { Run(); });
    }
  }
  added_.notify_one();
}

std::optional<std::weak_ptr<HugePages>> PageWarmer::Next() {
  std::unique_lock lock(mutex_);
  added_.wait(lock, [&] { return ends_ || !waiting_.empty(); });
  if (ends_) return std::nullopt;
  std::weak_ptr<HugePages> next = std::move(waiting_.front());
  waiting_.pop_front();
  return next;
}

void PageWarmer::Run() {
  while (const std::optional<std::weak_ptr<HugePages>> next = Next()) {
    for (int64_t done = 0; gate_->Wait(); done += kHugePageBytes) {
      // Held for one page only: its owner may free it in between.
      const std::shared_ptr<HugePages> pages = next->lock();
      if (pages == nullptr || done >= pages->num_bytes()) break;
      const int64_t piece = std::min(kHugePageBytes, pages->num_bytes() - done);
      if (!Touch(static_cast<std::byte*>(pages->data()) + done, piece)) break;
    }
  }
}

}  // namespace switchyard::kernels::cpu
