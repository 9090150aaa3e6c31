#include "emulator/ptx/race_clock.h"

#include <algorithm>

namespace emu {
namespace {

void MaxInto(std::vector<uint32_t>* into, const std::vector<uint32_t>& from) {
  if (into->size() < from.size()) into->resize(from.size());
  uint32_t* to = into->data();
  const uint32_t* source = from.data();
  const size_t size = from.size();
#pragma GCC ivdep
  for (size_t i = 0; i < size; ++i) to[i] = to[i] < source[i] ? source[i] : to[i];
}

}  // namespace

const Clock* Clock::Foreign(uint32_t domain) const {
  for (const ClockPtr& clock : foreign_) {
    if (clock->domain() == domain) return clock.get();
  }
  return nullptr;
}

ClockBuilder::ClockBuilder(uint32_t domain, size_t size)
    : clock_(new Clock(domain, size)), owner_(clock_) {}

void ClockBuilder::Join(const ClockPtr& other) {
  if (!other || other == last_joined_) return;
  last_joined_ = other;
  if (other->domain() == clock_->domain_) {
    MaxInto(&clock_->seen_, other->seen_);
    MaxInto(&clock_->fenced_, other->fenced_);
  } else {
    JoinForeign(other);
  }
  for (const ClockPtr& foreign : other->foreign_) {
    if (foreign->domain() == clock_->domain_) {
      MaxInto(&clock_->seen_, foreign->seen_);
      MaxInto(&clock_->fenced_, foreign->fenced_);
    } else {
      JoinForeign(foreign);
    }
  }
}

void ClockBuilder::JoinForeign(const ClockPtr& other) {
  for (ClockPtr& known : clock_->foreign_) {
    if (known->domain() != other->domain()) continue;
    if (known == other) return;
    // Both parts of one domain; what they know of third domains is in this list already.
    auto* merged = new Clock(other->domain(), std::max(known->size(), other->size()));
    MaxInto(&merged->seen_, known->seen_);
    MaxInto(&merged->fenced_, known->fenced_);
    MaxInto(&merged->seen_, other->seen_);
    MaxInto(&merged->fenced_, other->fenced_);
    known = ClockPtr(merged);
    return;
  }
  clock_->foreign_.push_back(other);
}

void ClockBuilder::FenceSeen(uint32_t begin, uint32_t end) {
  end = std::min<uint32_t>(end, clock_->seen_.size());
  for (uint32_t i = begin; i < end; ++i) Fence(i, clock_->seen_[i]);
}

}  // namespace emu
