// Random numbers without state: the n-th number of a stream is a function of the stream's key and
// n, so any thread, rank or replay computes the same one.
#ifndef SWITCHYARD_BASE_RANDOM_H_
#define SWITCHYARD_BASE_RANDOM_H_

#include <cstdint>

namespace switchyard {

// A bijection of 64-bit numbers that flips half of the output bits for every input bit (multiply
// and xor-shift rounds with the constants of SplitMix64: Steele, Lea, Flood, "Fast splittable
// pseudorandom number generators", 2014).
constexpr uint64_t MixBits(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// Number `counter` of stream `key`.
constexpr uint64_t RandomBits(uint64_t key, uint64_t counter) {
  return MixBits(MixBits(key) ^ counter);
}

// Uniform in [0, 1), 53 bits.
constexpr double RandomUnit(uint64_t key, uint64_t counter) {
  return static_cast<double>(RandomBits(key, counter) >> 11) * 0x1p-53;
}

}  // namespace switchyard

#endif  // SWITCHYARD_BASE_RANDOM_H_
