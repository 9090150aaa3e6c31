// The memory between files and packed weights: a bounded amount, in slots that are used again, so
// that their pages are made once.
#ifndef SWITCHYARD_WORKER_WEIGHTS_STAGING_POOL_H_
#define SWITCHYARD_WORKER_WEIGHTS_STAGING_POOL_H_

#include <cstddef>
#include <cstdint>
#include <memory>

namespace switchyard::worker {

class StagingPool {
 public:
  // `num_slots` slots of `slot_bytes`, made when they are first asked for.
  StagingPool(int num_slots, int64_t slot_bytes);

  int64_t slot_bytes() const;
  // `num_bytes` of memory at a block's border (kDirectBlock), in huge pages where the system has
  // them. Null while too much is out: it comes back when the last pointer to it goes, on any
  // thread. More than a slot is given when nothing else is out.
  std::shared_ptr<std::byte> TryTake(int64_t num_bytes);
  // Waits for it.
  std::shared_ptr<std::byte> Take(int64_t num_bytes);
  // The most that was out at once.
  int64_t high_water() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace switchyard::worker

#endif  // SWITCHYARD_WORKER_WEIGHTS_STAGING_POOL_H_
