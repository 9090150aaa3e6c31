// What the runs share: device arrays, parameters, launches, comparisons.
#ifndef SWITCHYARD_TESTS_EMULATOR_MUTATIONS_MUTATION_LAUNCH_H_
#define SWITCHYARD_TESTS_EMULATOR_MUTATIONS_MUTATION_LAUNCH_H_

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <type_traits>
#include <vector>

#include "emulator/ptx/launch.h"
#include "emulator/ptx/memory_registry.h"
#include "emulator/ptx/random.h"

namespace emu {

// Device memory of the test: registered, poisoned with 0xff (NaN in every format).
template <class T>
class DeviceArray {
 public:
  DeviceArray(size_t size, const char* label) : size_(size) {
    const size_t bytes = (size * sizeof(T) + 255) / 256 * 256;
    data_ = static_cast<T*>(std::aligned_alloc(256, bytes));
    std::memset(static_cast<void*>(data_), 0xff, bytes);
    RegisterMemory(data_, size * sizeof(T), label);
  }
  ~DeviceArray() {
    UnregisterMemory(data_);
    std::free(data_);
  }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  size_t size() const { return size_; }
  T& operator[](size_t i) const { return data_[i]; }
  void Fill(T value) {
    for (size_t i = 0; i < size_; ++i) data_[i] = value;
  }

 private:
  size_t size_;
  T* data_;
};

// A kernel's parameter block, each at its natural alignment.
class Params {
 public:
  template <class T>
  Params& Add(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    const size_t at = (bytes_.size() + alignof(T) - 1) / alignof(T) * alignof(T);
    bytes_.resize(at + sizeof(T));
    std::memcpy(bytes_.data() + at, &value, sizeof(T));
    return *this;
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

struct Shape {
  Dim3 grid, block;
  uint32_t shared_bytes = 0;
};

// Empty, or the report.
inline std::string RunKernel(const Module& module, const char* name, const Shape& shape,
                             const Params& params, const Options& options) {
  const Kernel* kernel = module.FindKernel(name);
  if (kernel == nullptr) return std::string("no kernel ") + name;
  const LaunchConfig config = {.grid = shape.grid,
                               .block = shape.block,
                               .dynamic_shared_bytes = shape.shared_bytes,
                               .params = params.bytes()};
  const LaunchResult result = Launch(module, *kernel, config, options, nullptr);
  return result.ok ? "" : result.fault;
}

// Empty, or the first of `got` that is further than `tolerance` from `wanted`.
template <class Got>
std::string Compare(const char* name, const Got& got, const std::vector<double>& wanted,
                    double tolerance) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    const double value = got(i);
    if (std::abs(value - wanted[i]) <= tolerance) continue;
    return std::string("wrong result: ") + name + "[" + std::to_string(i) + "] is " +
           std::to_string(value) + " instead of " + std::to_string(wanted[i]);
  }
  return {};
}

// --- values ---

inline uint16_t ToBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
inline float FromBf16(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

inline float FromE4m3(uint8_t bits) {
  const int exponent = bits >> 3 & 15;
  const float mantissa = static_cast<float>(bits & 7) / 8;
  const float value =
      exponent == 0 ? std::ldexp(mantissa, -6) : std::ldexp(1 + mantissa, exponent - 7);
  return bits & 0x80 ? -value : value;
}

// -1 to 1 in steps of 1/64: exact in bf16.
inline float SmallValue(Random& random) {
  return (static_cast<float>(random.Below(129)) - 64) / 64;
}

}  // namespace emu

#endif  // SWITCHYARD_TESTS_EMULATOR_MUTATIONS_MUTATION_LAUNCH_H_
