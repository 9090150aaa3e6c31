#include "worker/weights/staging_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <new>
#include <vector>

#include "base/check.h"
#include "base/units.h"

namespace switchyard::worker {
namespace {

constexpr int64_t kHugePage = 2 * kMiB;

struct Free {
  void operator()(std::byte* memory) const { std::free(memory); }
};
using Memory = std::unique_ptr<std::byte, Free>;

Memory Make(int64_t num_bytes) {
  const int64_t rounded = RoundUp(std::max<int64_t>(num_bytes, 1), kHugePage);
  auto* const memory =
      static_cast<std::byte*>(std::aligned_alloc(size_t{kHugePage}, static_cast<size_t>(rounded)));
  if (memory == nullptr) {
    // As `new` does: a program may have said how it wants to end then.
    if (const std::new_handler handler = std::get_new_handler()) handler();
    SY_CHECK(false) << "no memory for " << num_bytes << " bytes";
  }
  madvise(memory, static_cast<size_t>(rounded), MADV_HUGEPAGE);  // only advice
  return Memory(memory);
}

}  // namespace

struct StagingPool::State : std::enable_shared_from_this<State> {
  State(int num_slots, int64_t slot_bytes) : num_slots(num_slots), slot_bytes(slot_bytes) {}

  // REQUIRES: mutex held.
  std::shared_ptr<std::byte> TryTake(int64_t num_bytes) {
    const bool large = num_bytes > slot_bytes;
    if (large ? bytes_out > 0 : bytes_out + slot_bytes > num_slots * slot_bytes) return nullptr;
    Memory memory;
    if (!large && !slots.empty()) {
      memory = std::move(slots.back());
      slots.pop_back();
    } else {
      if (large) slots.clear();
      memory = Make(large ? num_bytes : slot_bytes);
    }
    const int64_t taken = large ? num_bytes : slot_bytes;
    bytes_out += taken;
    high_water = std::max(high_water, bytes_out);
    return std::shared_ptr<std::byte>(
        memory.release(), [self = shared_from_this(), taken, large](std::byte* address) {
          self->GiveBack(Memory(address), taken, large);
        });
  }

  void GiveBack(Memory memory, int64_t taken, bool large) {
    {
      std::lock_guard lock(mutex);
      bytes_out -= taken;
      if (!large) slots.push_back(std::move(memory));
    }
    changed.notify_all();
  }

  const int num_slots;
  const int64_t slot_bytes;
  std::mutex mutex;
  std::condition_variable changed;
  std::vector<Memory> slots;  // free ones
  int64_t bytes_out = 0;
  int64_t high_water = 0;
};

StagingPool::StagingPool(int num_slots, int64_t slot_bytes)
    : state_(std::make_shared<State>(num_slots, slot_bytes)) {
  SY_CHECK_GE(num_slots, 1);
  SY_CHECK_GE(slot_bytes, 1);
}

int64_t StagingPool::slot_bytes() const { return state_->slot_bytes; }

std::shared_ptr<std::byte> StagingPool::TryTake(int64_t num_bytes) {
  std::lock_guard lock(state_->mutex);
  return state_->TryTake(num_bytes);
}

std::shared_ptr<std::byte> StagingPool::Take(int64_t num_bytes) {
  std::unique_lock lock(state_->mutex);
  std::shared_ptr<std::byte> memory;
  state_->changed.wait(lock, [&] {
    memory = state_->TryTake(num_bytes);
    return memory != nullptr;
  });
  return memory;
}

int64_t StagingPool::high_water() const {
  std::lock_guard lock(state_->mutex);
  return state_->high_water;
}

}  // namespace switchyard::worker
