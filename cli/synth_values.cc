#include "cli/synth_values.h"

namespace switchyard::cli {
namespace {

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every input bit changes every output bit.
constexpr uint64_t Mix(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

constexpr uint64_t kGolden = 0x9e3779b97f4a7c15u;  // 2^64 / golden ratio: SplitMix64's step

}  // namespace

uint64_t SynthKey(uint64_t seed, std::string_view tensor_name) {
  uint64_t hash = 0xcbf29ce484222325u;  // FNV-1a
  for (unsigned char c : tensor_name) hash = (hash ^ c) * 0x100000001b3u;
  return Mix(hash + Mix(seed + kGolden));
}

void NormalValues::Fill(int64_t first_element, std::span<float> out) const {
  // Four 16-bit numbers: mean 2 * 65535, variance 4 * (2^32 - 1) / 12.
  constexpr int32_t kSumMean = 2 * 65535;
  constexpr float kSumDeviation = 37837.227f;
  constexpr uint64_t kEvenHalves = 0x0000ffff0000ffffu;
  const float factor = deviation / kSumDeviation;
  uint64_t state = key + uint64_t(first_element) * kGolden;
  for (float& value : out) {
    const uint64_t bits = Mix(state);
    state += kGolden;
    const uint64_t pairs = (bits & kEvenHalves) + ((bits >> 16) & kEvenHalves);
    const int32_t sum = int32_t(pairs >> 32) + int32_t(pairs & 0xffffffffu);
    value = mean + float(sum - kSumMean) * factor;
  }
}

}  // namespace switchyard::cli
