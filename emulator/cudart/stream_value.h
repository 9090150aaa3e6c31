// Stream memory operations: a stream writes a value to memory, or waits until memory holds one. Who
// writes it may be the host, another stream, another device or another process.
//
// Thread: any.
#ifndef SWITCHYARD_EMULATOR_CUDART_STREAM_VALUE_H_
#define SWITCHYARD_EMULATOR_CUDART_STREAM_VALUE_H_

#include <driver_types.h>

#include <cstdint>

namespace emu {

enum class ValueTest {
  kNotBefore,  // memory - value >= 0 in cyclic order
  kEqual,
  kAnyBit,    // (memory & value) != 0
  kClearBit,  // ~(memory | value) != 0
};

// Value: uint32_t or uint64_t; the address must be a multiple of its size, in memory that CUDA
// knows.
template <typename Value>
cudaError_t WriteValue(cudaStream_t stream, uint64_t address, Value value);
template <typename Value>
cudaError_t WaitValue(cudaStream_t stream, uint64_t address, Value value, ValueTest test);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_STREAM_VALUE_H_
