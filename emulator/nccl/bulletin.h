// A page that each rank pins up for all others to read, again and again: how ranks compare the
// operations that they begin, and how they agree on a split.
//
// Two pages alternate. A rank writes round k + 2 over round k only after it has seen everybody's
// round k + 1, and nobody publishes that before having read round k.
#ifndef SWITCHYARD_EMULATOR_NCCL_BULLETIN_H_
#define SWITCHYARD_EMULATOR_NCCL_BULLETIN_H_

#include <atomic>
#include <cstdint>

namespace emu {

template <typename Page>
class Bulletin {
 public:
  // By the owner, in rounds 1, 2, ...
  void Publish(uint64_t round, const Page& page) {
    pages_[round % 2] = page;
    round_.store(round, std::memory_order_release);
  }

  bool Has(uint64_t round) const { return round_.load(std::memory_order_acquire) >= round; }

  // REQUIRES: Has(round).
  const Page& Read(uint64_t round) const { return pages_[round % 2]; }

 private:
  std::atomic<uint64_t> round_;  // begins as the zero of new memory
  Page pages_[2];
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_BULLETIN_H_
