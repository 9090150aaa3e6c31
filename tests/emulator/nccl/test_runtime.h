// The few functions of a CUDA runtime that the NCCL stand-in calls, for tests of it alone: streams
// are threads with a queue, devices are numbers, memory is host memory. A stream can record what is
// enqueued and run it again, as a graph does.
#ifndef SWITCHYARD_TESTS_EMULATOR_NCCL_TEST_RUNTIME_H_
#define SWITCHYARD_TESTS_EMULATOR_NCCL_TEST_RUNTIME_H_

#include <cuda_runtime_api.h>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

struct CUstream_st {
 public:
  CUstream_st();
  ~CUstream_st();  // after all that was enqueued

  void Enqueue(std::function<void()> run);
  uint64_t enqueued();
  void Synchronize();

  // From here on what is enqueued is kept instead of run, until EndCapture.
  void BeginCapture();
  std::vector<std::function<void()>> EndCapture();
  bool capturing();

  // A place in the stream's order, which may be waited for when the stream is no more.
  std::function<void()> WaitForAllSoFar();

 private:
  struct Queue {
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<std::function<void()>> waiting;
    std::vector<std::function<void()>> captured;
    bool capturing = false;
    bool ends = false;
    uint64_t enqueued = 0;
    uint64_t done = 0;
  };
  static void Loop(Queue* queue);

  const std::shared_ptr<Queue> queue_ = std::make_shared<Queue>();
  std::thread thread_;
};

#endif  // SWITCHYARD_TESTS_EMULATOR_NCCL_TEST_RUNTIME_H_
