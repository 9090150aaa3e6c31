// Random numbers for made-up weights: a pure function of (seed, tensor name, element), so that
// neither threads nor the other tensors of a checkpoint change a tensor.
#ifndef SWITCHYARD_CLI_SYNTH_VALUES_H_
#define SWITCHYARD_CLI_SYNTH_VALUES_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace switchyard::cli {

struct NormalValues {
  uint64_t key = 0;  // SynthKey()
  float mean = 0.0f;
  float deviation = 1.0f;

  // out[i] = element first_element + i. Bell-shaped: the sum of four uniform numbers, so within 3.5
  // deviations of the mean.
  void Fill(int64_t first_element, std::span<float> out) const;
};

uint64_t SynthKey(uint64_t seed, std::string_view tensor_name);

}  // namespace switchyard::cli

#endif  // SWITCHYARD_CLI_SYNTH_VALUES_H_
