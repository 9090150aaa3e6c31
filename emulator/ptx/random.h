// A small seeded generator (splitmix64): the same choices on every machine.
#ifndef SWITCHYARD_EMULATOR_PTX_RANDOM_H_
#define SWITCHYARD_EMULATOR_PTX_RANDOM_H_

#include <cstdint>

namespace emu {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
  }
  // 0 to n - 1. REQUIRES: n > 0.
  uint64_t Below(uint64_t n) { return Next() % n; }

 private:
  uint64_t state_;
};

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_RANDOM_H_
