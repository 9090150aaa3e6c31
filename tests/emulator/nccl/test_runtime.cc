#include "tests/emulator/nccl/test_runtime.h"

#include <cstdlib>
#include <utility>

CUstream_st::CUstream_st() : thread_([this] { Loop(); }) {}

CUstream_st::~CUstream_st() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void CUstream_st::Enqueue(std::function<void()> run) {
  {
    const std::lock_guard lock(mutex_);
    if (capturing_) {
      captured_.push_back(std::move(run));
      return;
    }
    queue_.push_back(std::move(run));
    ++enqueued_;
  }
  changed_.notify_all();
}

uint64_t CUstream_st::enqueued() {
  const std::lock_guard lock(mutex_);
  return enqueued_;
}

void CUstream_st::WaitFor(uint64_t position) {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done_ >= position; });
}

void CUstream_st::BeginCapture() {
  const std::lock_guard lock(mutex_);
  capturing_ = true;
}

std::vector<std::function<void()>> CUstream_st::EndCapture() {
  const std::lock_guard lock(mutex_);
  capturing_ = false;
  return std::exchange(captured_, {});
}

bool CUstream_st::capturing() {
  const std::lock_guard lock(mutex_);
  return capturing_;
}

void CUstream_st::Loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return ends_ || !queue_.empty(); });
    if (queue_.empty()) return;
    {
      const std::function<void()> run = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      run();
    }
    lock.lock();
    ++done_;
    changed_.notify_all();
  }
}

// A place in a stream's queue.
struct CUevent_st {
  cudaStream_t stream = nullptr;
  uint64_t position = 0;
};

namespace {
constexpr int kNumDevices = 8;
thread_local int current_device = 0;
}  // namespace

extern "C" {

void switchyard_emulator_enqueue(cudaStream_t stream, void (*run)(void*), void* argument,
                                 void (*destroy)(void*)) {
  const std::shared_ptr<void> held(argument, destroy);
  stream->Enqueue([run, held] { run(held.get()); });
}

cudaError_t cudaGetDevice(int* device) {
  *device = current_device;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device) {
  current_device = device;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = kNumDevices;
  return cudaSuccess;
}
const char* cudaGetErrorString(cudaError_t) { return "an error of the test runtime"; }

cudaError_t cudaMalloc(void** address, size_t size) {
  *address = std::malloc(size);
  return cudaSuccess;
}
cudaError_t cudaFree(void* address) {
  std::free(address);
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  event->stream = stream;
  event->position = stream->enqueued();
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (event->stream != nullptr) event->stream->WaitFor(event->position);
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  if (event->stream == stream || event->stream == nullptr) return cudaSuccess;
  stream->Enqueue([place = *event] { place.stream->WaitFor(place.position); });
  return cudaSuccess;
}
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, cudaStreamCaptureStatus* status,
                                     unsigned long long* id, cudaGraph_t*, const cudaGraphNode_t**,
                                     const cudaGraphEdgeData**, size_t*) {
  *status = stream->capturing() ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  *id = stream->capturing() ? 1 : 0;
  return cudaSuccess;
}

}  // extern "C"
