// A host function that holds a stream back until somebody opens it.
#ifndef SWITCHYARD_TESTS_EMULATOR_CUDART_GATE_H_
#define SWITCHYARD_TESTS_EMULATOR_CUDART_GATE_H_

#include <cuda_runtime_api.h>

#include <condition_variable>
#include <mutex>

namespace emu {

// Outlives its stay in the stream.
class Gate {
 public:
  [[nodiscard]] cudaError_t Queue(cudaStream_t stream) {
    return cudaLaunchHostFunc(
        stream, [](void* gate) { static_cast<Gate*>(gate)->Wait(); }, this);
  }
  void Open() {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  void Wait() {
    std::unique_lock<std::mutex> lock(mutex_);
    changed_.wait(lock, [this] { return open_; });
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
};

}  // namespace emu

#endif  // SWITCHYARD_TESTS_EMULATOR_CUDART_GATE_H_
