#include "tests/emulator/nccl/test_runtime.h"

#include <cstdlib>
#include <utility>

CUstream_st::CUstream_st() : thread_([queue = queue_.get()] { Loop(queue); }) {}

CUstream_st::~CUstream_st() {
  {
    const std::lock_guard lock(queue_->mutex);
    queue_->ends = true;
  }
  queue_->changed.notify_all();
  thread_.join();
}

void CUstream_st::Enqueue(std::function<void()> run) {
  {
    const std::lock_guard lock(queue_->mutex);
    if (queue_->capturing) {
      queue_->captured.push_back(std::move(run));
      return;
    }
    queue_->waiting.push_back(std::move(run));
    ++queue_->enqueued;
  }
  queue_->changed.notify_all();
}

uint64_t CUstream_st::enqueued() {
  const std::lock_guard lock(queue_->mutex);
  return queue_->enqueued;
}

void CUstream_st::Synchronize() { WaitForAllSoFar()(); }

std::function<void()> CUstream_st::WaitForAllSoFar() {
  return [queue = queue_, position = enqueued()] {
    std::unique_lock lock(queue->mutex);
    queue->changed.wait(lock, [&] { return queue->done >= position; });
  };
}

void CUstream_st::BeginCapture() {
  const std::lock_guard lock(queue_->mutex);
  queue_->capturing = true;
}

std::vector<std::function<void()>> CUstream_st::EndCapture() {
  const std::lock_guard lock(queue_->mutex);
  queue_->capturing = false;
  return std::exchange(queue_->captured, {});
}

bool CUstream_st::capturing() {
  const std::lock_guard lock(queue_->mutex);
  return queue_->capturing;
}

void CUstream_st::Loop(Queue* queue) {
  std::unique_lock lock(queue->mutex);
  for (;;) {
    queue->changed.wait(lock, [queue] { return queue->ends || !queue->waiting.empty(); });
    if (queue->waiting.empty()) return;
    {
      const std::function<void()> run = std::move(queue->waiting.front());
      queue->waiting.pop_front();
      lock.unlock();
      run();
    }
    lock.lock();
    ++queue->done;
    queue->changed.notify_all();
  }
}

struct CUevent_st {
  std::function<void()> wait = [] {};
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

// Tests use their own variables, of which nobody knows.
bool switchyard_emulator_is_live(const void*, size_t) { return true; }
void switchyard_emulator_mark_written(const void*, size_t) {}

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

// Nobody knows which addresses are memory here: tests use their own variables.
cudaError_t cudaGetDriverEntryPointByVersion(const char*, void** entry, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* result) {
  *entry = nullptr;
  *result = cudaDriverEntryPointSymbolNotFound;
  return cudaErrorSymbolNotFound;
}

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
  event->wait = stream->WaitForAllSoFar();
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  event->wait();
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  stream->Enqueue(event->wait);
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
