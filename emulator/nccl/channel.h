// A one-way channel in shared memory between two ranks (or from a rank to itself): a ring of slots,
// one writer, one reader. Messages longer than a slot take several.
//
// The writer's thread and the reader's thread each call their own methods; who changed something
// rings the other's doorbell.
#ifndef SWITCHYARD_EMULATOR_NCCL_CHANNEL_H_
#define SWITCHYARD_EMULATOR_NCCL_CHANNEL_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace emu {

// What travels with every slot of a message, so that the reader can hold it against what it
// expects.
struct MessageTag {
  uint32_t kind = 0;      // OperationKind
  uint32_t type = 0;      // ncclDataType_t
  uint64_t count = 0;     // elements that the call named
  uint64_t sequence = 0;  // of the collective; 0 for send and receive

  bool operator==(const MessageTag&) const = default;
};

class Channel {
 public:
  static constexpr size_t kSlotBytes = 32 << 10;
  static constexpr size_t kNumSlots = 4;

  struct Slot {
    MessageTag tag;
    uint64_t bytes;
    alignas(64) std::array<std::byte, kSlotBytes> data;
  };

  // The slot to fill or to read next; null where there is none. Publish or Release passes it on.
  Slot* NextFree() {
    const uint64_t written = written_.load(std::memory_order_relaxed);
    const bool full = written - read_.load(std::memory_order_acquire) == kNumSlots;
    return full ? nullptr : &slots_[written % kNumSlots];
  }
  void Publish() { written_.fetch_add(1, std::memory_order_release); }

  const Slot* NextFilled() const {
    const uint64_t read = read_.load(std::memory_order_relaxed);
    const bool empty = written_.load(std::memory_order_acquire) == read;
    return empty ? nullptr : &slots_[read % kNumSlots];
  }
  void Release() { read_.fetch_add(1, std::memory_order_release); }

  // Whether the reader has taken all that was written.
  bool IsDrained() const {
    return read_.load(std::memory_order_acquire) == written_.load(std::memory_order_acquire);
  }

 private:
  alignas(
      64) std::atomic<uint64_t> written_;  // slots so far; both begin as the zeros of new memory
  alignas(64) std::atomic<uint64_t> read_;
  alignas(64) std::array<Slot, kNumSlots> slots_;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free, "used between processes");

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_CHANNEL_H_
