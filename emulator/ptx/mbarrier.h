// The mbarrier object: eight bytes of shared memory that count arrivals and bytes. A phase ends
// when no arrival is pending and the transaction count is zero; the next one begins at once with
// the expected count.
//
//   bits 0-19  expected count    20-39  pending count    40-60  transaction count (signed)
//   bit 61     parity of the current phase               62-63  01: the object is valid
//
// The layout is ours (PTX leaves it open); fresh or poisoned memory is not valid in it. A state, as
// arrive returns it, is the object's bits before the arrival.
//
// Owner: the program's shared memory. Thread: the gang's. Misuse throws Fault.
#ifndef SWITCHYARD_EMULATOR_PTX_MBARRIER_H_
#define SWITCHYARD_EMULATOR_PTX_MBARRIER_H_

#include <cstddef>
#include <cstdint>

namespace emu {

class Mbarrier {
 public:
  static constexpr uint32_t kBytes = 8;
  static constexpr uint32_t kMaxCount = (1u << 20) - 1;
  static constexpr int64_t kMaxTransactions = (1 << 20) - 1;

  // A view of the object at `bytes`, which need not be valid yet.
  explicit Mbarrier(std::byte* bytes) : bytes_(bytes) {}

  void Init(uint32_t count);
  void Invalidate();
  bool valid() const;

  // Each returns whether the phase ended.
  // Arrivals; with `drop` also for all later phases, whose expected count sinks by `count`. *state
  // may be null.
  bool Arrive(uint32_t count, bool drop, uint64_t* state);
  bool ExpectTransactions(uint32_t bytes);
  bool CompleteTransactions(uint32_t bytes);
  // One more arrival in this phase (cp.async.mbarrier.arrive without .noinc).
  void AddPending();
  // What arrive.noComplete promises: throws if the phase would end.
  void CheckNoComplete(uint32_t count) const;

  // Whether the phase with that parity has ended, given that the waiter is at most one behind.
  bool PhaseEnded(uint32_t parity) const;
  // Whether the phase in which `state` was taken has ended, under the same condition.
  bool StateEnded(uint64_t state) const;
  static uint32_t PendingCount(uint64_t state);

  uint32_t pending() const;
  int64_t transactions() const;
  uint32_t parity() const;

 private:
  struct Fields;
  Fields Load() const;  // throws unless valid
  void Store(const Fields& fields);
  bool EndPhaseIfDone(Fields* fields);

  std::byte* bytes_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_MBARRIER_H_
