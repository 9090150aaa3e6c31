// A seeded order of the numbers 0 to count - 1 that takes no memory, however many there are: a
// balanced Feistel network over the next power of four, walked until it lands below count (on
// average less than four times).
#ifndef SWITCHYARD_EMULATOR_PTX_PERMUTATION_H_
#define SWITCHYARD_EMULATOR_PTX_PERMUTATION_H_

#include <bit>
#include <cstdint>

#include "emulator/ptx/random.h"

namespace emu {

class Permutation {
 public:
  // REQUIRES: count > 0.
  Permutation(uint64_t count, uint64_t seed)
      : count_(count),
        half_bits_((static_cast<uint32_t>(std::bit_width(count - 1)) + 1) / 2),
        mask_((uint64_t{1} << half_bits_) - 1),
        seed_(seed) {}

  // Every number below count once, for index from 0 to count - 1. Thread: any.
  uint64_t At(uint64_t index) const {
    do {
      index = Scramble(index);
    } while (index >= count_);
    return index;
  }

 private:
  static constexpr uint64_t kRounds = 6;

  uint64_t Scramble(uint64_t value) const {
    uint64_t left = value >> half_bits_, right = value & mask_;
    for (uint64_t round = 0; round < kRounds; ++round) {
      const uint64_t mixed = Random(Random(seed_ + round).Next() ^ right).Next() & mask_;
      const uint64_t next = left ^ mixed;
      left = right;
      right = next;
    }
    return left << half_bits_ | right;
  }

  uint64_t count_;
  uint32_t half_bits_;  // up to 32
  uint64_t mask_;
  uint64_t seed_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_PERMUTATION_H_
