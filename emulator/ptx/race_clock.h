// What a thread of the emulated program knows of the others: the vector clocks of the race
// detector.
//
// A domain is what shares shared memory: one cluster, mostly one block. Its threads and its
// asynchronous operations have indices; an access carries its index and a number (the epoch), and
// it happened before a thread if that thread's clock knows an epoch of that index not smaller.
//
// A clock is dense over its own domain and a list of clocks over others. It has two planes: `seen`,
// what is ordered for generic accesses, and `fenced`, the part of it that the async proxy sees.
// Clocks are immutable once shared: the threads that left a barrier together share one.
//
// Thread: one OS thread per launch (race mode runs on one), hence the plain reference counts.
#ifndef SWITCHYARD_EMULATOR_PTX_RACE_CLOCK_H_
#define SWITCHYARD_EMULATOR_PTX_RACE_CLOCK_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace emu {

class Clock;

// A counted reference; may be null.
class ClockPtr {
 public:
  ClockPtr() = default;
  explicit ClockPtr(Clock* clock);
  ClockPtr(const ClockPtr& other);
  ClockPtr(ClockPtr&& other) noexcept : clock_(std::exchange(other.clock_, nullptr)) {}
  ClockPtr& operator=(ClockPtr other) noexcept {
    std::swap(clock_, other.clock_);
    return *this;
  }
  ~ClockPtr();

  const Clock* get() const { return clock_; }
  const Clock* operator->() const { return clock_; }
  const Clock& operator*() const { return *clock_; }
  explicit operator bool() const { return clock_ != nullptr; }
  bool operator==(const ClockPtr& other) const { return clock_ == other.clock_; }

 private:
  Clock* clock_ = nullptr;
};

class Clock {
 public:
  Clock(uint32_t domain, size_t size) : domain_(domain), seen_(size), fenced_(size) {}

  uint32_t domain() const { return domain_; }
  size_t size() const { return seen_.size(); }
  const uint32_t* seen() const { return seen_.data(); }
  const uint32_t* fenced() const { return fenced_.data(); }
  // Indices behind the end are unknown: 0.
  uint32_t seen(uint32_t index) const { return index < seen_.size() ? seen_[index] : 0; }
  uint32_t fenced(uint32_t index) const { return index < fenced_.size() ? fenced_[index] : 0; }
  // The clock that this one knows of another domain; null: nothing.
  const Clock* Foreign(uint32_t domain) const;

 private:
  friend class ClockPtr;
  friend class ClockBuilder;

  uint32_t domain_;
  uint32_t references_ = 0;
  std::vector<uint32_t> seen_;
  std::vector<uint32_t> fenced_;
  std::vector<ClockPtr> foreign_;  // by domain, without their own foreign parts being looked at
};

// Makes a clock by joining others and setting what a thread knows of itself.
class ClockBuilder {
 public:
  // Empty, for `size` indices (grows as needed).
  ClockBuilder(uint32_t domain, size_t size);

  // All that `other` knows. A clock of another domain becomes foreign knowledge.
  void Join(const ClockPtr& other);
  void See(uint32_t index, uint32_t epoch) { Raise(&clock_->seen_, index, epoch); }
  void Fence(uint32_t index, uint32_t epoch) { Raise(&clock_->fenced_, index, epoch); }
  // The async proxy sees all that is seen of [begin, end).
  void FenceSeen(uint32_t begin, uint32_t end);

  // The result; the builder is empty of meaning afterwards.
  ClockPtr Finish() { return std::move(owner_); }

 private:
  static void Raise(std::vector<uint32_t>* plane, uint32_t index, uint32_t epoch) {
    if (index >= plane->size()) plane->resize(index + 1);
    if ((*plane)[index] < epoch) (*plane)[index] = epoch;
  }
  void JoinForeign(const ClockPtr& other);

  Clock* clock_;
  ClockPtr owner_;
  ClockPtr last_joined_;  // joining the same twice is common and costs nothing
};

inline ClockPtr::ClockPtr(Clock* clock) : clock_(clock) {
  if (clock_ != nullptr) ++clock_->references_;
}
inline ClockPtr::ClockPtr(const ClockPtr& other) : ClockPtr(other.clock_) {}
inline ClockPtr::~ClockPtr() {
  if (clock_ != nullptr && --clock_->references_ == 0) delete clock_;
}

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_RACE_CLOCK_H_
