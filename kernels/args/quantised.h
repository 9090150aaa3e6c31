// Activations that FP8 products read: quantised once, by the op that makes them, for all products
// behind it.
#ifndef SWITCHYARD_KERNELS_ARGS_QUANTISED_H_
#define SWITCHYARD_KERNELS_ARGS_QUANTISED_H_

#include <cstdint>

namespace switchyard::kernels {

// Rows of e4m3 with an f32 scale for each row and 128 columns (MODEL_SPECS 1.7): the bits that a
// kW8A8 product makes of the same rows itself. How they lie in memory is the backend's: only its
// ops write and read them.
struct QuantisedRows {
  void* data = nullptr;  // Ops::QuantisedBytes of device memory, aligned to 64 bytes
  int64_t rows = 0;
  int64_t columns = 0;

  bool empty() const { return data == nullptr; }

  // No backend needs the memory of more floats.
  static constexpr int64_t MostFloats(int64_t rows, int64_t columns) {
    const int64_t groups = (columns + 127) / 128;
    return (rows + 7) / 8 * 8 * (groups * 129 + 32);
  }
};

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_KERNELS_ARGS_QUANTISED_H_
