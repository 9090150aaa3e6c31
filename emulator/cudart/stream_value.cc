#include "emulator/cudart/stream_value.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <type_traits>

#include "emulator/cudart/entry.h"

namespace emu {
namespace {

// A waiting stream looks this often; nothing wakes it, since anything may write memory.
constexpr std::chrono::microseconds kPause(200);

template <typename Value>
struct ValueArgument {
  uint64_t address;
  Value value;
  ValueTest test;
};

template <typename Value>
std::atomic_ref<Value> At(uint64_t address) {
  return std::atomic_ref<Value>(*reinterpret_cast<Value*>(address));
}

template <typename Value>
bool Holds(const ValueArgument<Value>& argument) {
  const Value seen = At<Value>(argument.address).load();
  switch (argument.test) {
    case ValueTest::kNotBefore:
      return static_cast<std::make_signed_t<Value>>(seen - argument.value) >= 0;
    case ValueTest::kEqual:
      return seen == argument.value;
    case ValueTest::kAnyBit:
      return (seen & argument.value) != 0;
    case ValueTest::kClearBit:
      return static_cast<Value>(~(seen | argument.value)) != 0;
  }
  return true;
}

template <typename Value>
void Wait(void* untyped) {
  const auto& argument = *static_cast<const ValueArgument<Value>*>(untyped);
  while (!Holds(argument)) std::this_thread::sleep_for(kPause);
}

template <typename Value>
void Write(void* untyped) {
  const auto& argument = *static_cast<const ValueArgument<Value>*>(untyped);
  At<Value>(argument.address).store(argument.value);
}

template <typename Value>
cudaError_t Submit(cudaStream_t stream, void (*run)(void*), const ValueArgument<Value>& argument) {
  return StreamCall(stream, [&](Runtime& runtime, const auto& found, Lock& lock) -> cudaError_t {
    const auto* memory = reinterpret_cast<const void*>(argument.address);
    const Allocation* allocation = runtime.allocations.Find(memory);
    if (argument.address % sizeof(Value) != 0 || allocation == nullptr ||
        allocation->OffsetOf(memory) + sizeof(Value) > allocation->bytes) {
      return cudaErrorInvalidValue;
    }
    auto held = std::make_shared<ValueArgument<Value>>(argument);
    return runtime.Submit(lock, found, CallWork{run, std::move(held)});
  });
}

}  // namespace

template <typename Value>
cudaError_t WriteValue(cudaStream_t stream, uint64_t address, Value value) {
  return Submit<Value>(stream, &Write<Value>, {address, value, ValueTest::kEqual});
}

template <typename Value>
cudaError_t WaitValue(cudaStream_t stream, uint64_t address, Value value, ValueTest test) {
  return Submit<Value>(stream, &Wait<Value>, {address, value, test});
}

template cudaError_t WriteValue<uint32_t>(cudaStream_t, uint64_t, uint32_t);
template cudaError_t WriteValue<uint64_t>(cudaStream_t, uint64_t, uint64_t);
template cudaError_t WaitValue<uint32_t>(cudaStream_t, uint64_t, uint32_t, ValueTest);
template cudaError_t WaitValue<uint64_t>(cudaStream_t, uint64_t, uint64_t, ValueTest);

}  // namespace emu
