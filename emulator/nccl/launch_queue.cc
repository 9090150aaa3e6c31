#include "emulator/nccl/launch_queue.h"

#include <string>
#include <utility>

#include "emulator/cudart/enqueue.h"

namespace emu {
namespace {

struct Enqueued {
  std::shared_ptr<Communicator> comm;
  std::vector<Operation> operations;
};

void RunEnqueued(void* argument) {
  const auto* enqueued = static_cast<Enqueued*>(argument);
  enqueued->comm->Run(enqueued->operations);
}

void DestroyEnqueued(void* argument) { delete static_cast<Enqueued*>(argument); }

Outcome Check(cudaError_t error, const char* call) {
  if (error == cudaSuccess) return {};
  return {ncclUnhandledCudaError, std::string(call) + ": " + cudaGetErrorString(error)};
}

}  // namespace

LaunchQueue::~LaunchQueue() {
  if (mark_.event != nullptr) cudaEventDestroy(mark_.event);
  if (capture_mark_.event != nullptr) cudaEventDestroy(capture_mark_.event);
}

Outcome LaunchQueue::Submit(const std::shared_ptr<Communicator>& comm, Launch launch,
                            bool deferred) {
  const std::lock_guard lock(mutex_);
  if (!deferred) return Enqueue(comm, launch);
  deferred_.push_back(std::move(launch));
  return {ncclInProgress, ""};
}

Outcome LaunchQueue::FlushDeferred(const std::shared_ptr<Communicator>& comm) {
  const std::lock_guard lock(mutex_);
  Outcome outcome;
  for (const Launch& launch : std::exchange(deferred_, {})) {
    Outcome enqueued = Enqueue(comm, launch);
    if (outcome.ok()) outcome = std::move(enqueued);
  }
  return outcome;
}

bool LaunchQueue::has_deferred() {
  const std::lock_guard lock(mutex_);
  return !deferred_.empty();
}

Outcome LaunchQueue::Synchronize() {
  cudaEvent_t event = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (mark_.recorded) event = mark_.event;
  }
  return event == nullptr ? Outcome{} : Check(cudaEventSynchronize(event), "cudaEventSynchronize");
}

// Events belong to the device that is current when they are made, and the caller's may be another.
Outcome LaunchQueue::Enqueue(const std::shared_ptr<Communicator>& comm, const Launch& launch) {
  int device = 0;
  if (Outcome got = Check(cudaGetDevice(&device), "cudaGetDevice"); !got.ok()) return got;
  if (device == comm->device()) return EnqueueOnDevice(comm, launch);
  if (Outcome set = Check(cudaSetDevice(comm->device()), "cudaSetDevice"); !set.ok()) return set;
  Outcome outcome = EnqueueOnDevice(comm, launch);
  Outcome restored = Check(cudaSetDevice(device), "cudaSetDevice");
  return outcome.ok() ? restored : outcome;
}

Outcome LaunchQueue::EnqueueOnDevice(const std::shared_ptr<Communicator>& comm,
                                     const Launch& launch) {
  const cudaStream_t stream = launch.streams[0];
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  unsigned long long capture = 0;
  Outcome outcome =
      Check(cudaStreamGetCaptureInfo(stream, &status, &capture), "cudaStreamGetCaptureInfo");
  if (!outcome.ok()) return outcome;
  if (status == cudaStreamCaptureStatusInvalidated) {
    return {ncclUnhandledCudaError, "the stream's capture is invalid"};
  }
  const bool captures = status == cudaStreamCaptureStatusActive;
  Mark& mark = captures ? capture_mark_ : mark_;
  if (mark.event == nullptr) {
    outcome = Check(cudaEventCreateWithFlags(&mark.event, cudaEventDisableTiming),
                    "cudaEventCreateWithFlags");
    if (!outcome.ok()) return outcome;
  }
  if (mark.recorded && (!captures || mark.capture == capture)) {
    outcome = Check(cudaStreamWaitEvent(stream, mark.event, 0), "cudaStreamWaitEvent");
  }
  for (size_t i = 1; i < launch.streams.size() && outcome.ok(); ++i) {
    outcome = Check(cudaEventRecord(mark.event, launch.streams[i]), "cudaEventRecord");
    if (outcome.ok()) {
      outcome = Check(cudaStreamWaitEvent(stream, mark.event, 0), "cudaStreamWaitEvent");
    }
  }
  if (!outcome.ok()) return outcome;

  switchyard_emulator_enqueue(stream, RunEnqueued, new Enqueued{comm, launch.operations},
                              DestroyEnqueued);
  outcome = Check(cudaEventRecord(mark.event, stream), "cudaEventRecord");
  mark.recorded = outcome.ok();
  mark.capture = capture;
  for (size_t i = 1; i < launch.streams.size() && outcome.ok(); ++i) {
    outcome = Check(cudaStreamWaitEvent(launch.streams[i], mark.event, 0), "cudaStreamWaitEvent");
  }
  return outcome;
}

}  // namespace emu
