// The C interface: events.
#include <cuda_runtime_api.h>

#include "emulator/cudart/entry.h"
#include "emulator/cudart/event_order.h"
#include "emulator/cudart/ipc_event.h"

namespace emu {
namespace {

constexpr unsigned kFlags = cudaEventBlockingSync | cudaEventDisableTiming | cudaEventInterprocess;

cudaError_t Create(cudaEvent_t* out, unsigned flags) {
  const bool interprocess = (flags & cudaEventInterprocess) != 0;
  if (out == nullptr || (flags & ~kFlags) != 0 ||
      (interprocess && !(flags & cudaEventDisableTiming))) {
    return Remember(cudaErrorInvalidValue);
  }
  return DeviceCall([&](Runtime& runtime, Device& device, Lock&) -> cudaError_t {
    auto event = std::make_shared<Event>();
    event->device = &device;
    event->flags = flags;
    if (interprocess) event->ipc = IpcEvent::Create();
    if (interprocess && event->ipc == nullptr) return cudaErrorOperatingSystem;
    *out = reinterpret_cast<cudaEvent_t>(event.get());
    runtime.events[event.get()] = std::move(event);
    return cudaSuccess;
  });
}

// body(Runtime&, const std::shared_ptr<Event>&, Lock&).
template <typename Body>
cudaError_t EventCall(cudaEvent_t handle, Body body) {
  return DeviceCall([&](Runtime& runtime, Device&, Lock& lock) -> cudaError_t {
    const auto found = runtime.events.find(handle);
    if (found == runtime.events.end()) return cudaErrorInvalidResourceHandle;
    const std::shared_ptr<Event> event = found->second;  // may be destroyed meanwhile
    if (event->device->sticky != cudaSuccess) return event->device->sticky;
    return body(runtime, event, lock);
  });
}

cudaError_t Record(cudaEvent_t event, cudaStream_t stream, bool external) {
  return EventCall(
      event, [&](Runtime& runtime, const std::shared_ptr<Event>& found, Lock& lock) -> cudaError_t {
        const auto target = runtime.FindStream(stream, *found->device);
        if (target == nullptr) return cudaErrorInvalidResourceHandle;
        return RecordEvent(runtime, lock, found, target, external);
      });
}

// Waits in the host for the last record that any process has made.
void WaitForIpc(Lock& lock, const std::shared_ptr<IpcEvent>& ipc) {
  const uint32_t number = ipc->last_recorded();
  lock.unlock();
  ipc->WaitFor(number);
  lock.lock();
}

cudaError_t Refuse(Runtime& runtime, const Event& event) {
  if (event.is_captured) {
    if (const auto capture = event.capture.lock()) capture->invalid = true;
    return cudaErrorCapturedEvent;
  }
  return runtime.CheckUnsafe();
}

bool IsComplete(const Event& event) {
  if (event.recorded && !event.point.Reached()) return false;
  return event.ipc == nullptr || event.ipc->IsComplete(event.ipc->last_recorded());
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaEventCreate(cudaEvent_t* event) { return emu::Create(event, 0); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return emu::Create(event, flags);
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device&, emu::Lock&) {
    return runtime.events.erase(event) != 0 ? cudaSuccess : cudaErrorInvalidResourceHandle;
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  return emu::Record(event, stream, false);
}

cudaError_t cudaEventRecord_ptsz(cudaEvent_t event, cudaStream_t stream) {
  return emu::Record(event, emu::PerThread(stream), false);
}

cudaError_t cudaEventRecordWithFlags(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  if ((flags & ~unsigned{cudaEventRecordExternal}) != 0) {
    return emu::Remember(cudaErrorInvalidValue);
  }
  return emu::Record(event, stream, flags == cudaEventRecordExternal);
}

cudaError_t cudaEventRecordWithFlags_ptsz(cudaEvent_t event, cudaStream_t stream, unsigned flags) {
  return cudaEventRecordWithFlags(event, emu::PerThread(stream), flags);
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  return emu::EventCall(
      event, [](emu::Runtime& runtime, const auto& found, emu::Lock& lock) -> cudaError_t {
        if (const cudaError_t error = emu::Refuse(runtime, *found)) return error;
        const emu::Point point = found->point;
        if (!emu::IsComplete(*found) && found->recorded) runtime.scheduler.Nudge(lock, point);
        if (found->device->sticky != cudaSuccess) return found->device->sticky;
        return emu::IsComplete(*found) ? cudaSuccess : cudaErrorNotReady;
      });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return emu::EventCall(
      event, [](emu::Runtime& runtime, const auto& found, emu::Lock& lock) -> cudaError_t {
        if (const cudaError_t error = emu::Refuse(runtime, *found)) return error;
        const emu::Point point = found->point;
        if (found->recorded) runtime.scheduler.WaitFor(lock, point);
        if (found->ipc != nullptr) emu::WaitForIpc(lock, found->ipc);
        return found->device->sticky;
      });
}

cudaError_t cudaEventElapsedTime(float* ms, cudaEvent_t start, cudaEvent_t end) {
  if (ms == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::EventCall(
      start, [&](emu::Runtime& runtime, const auto& first, emu::Lock&) -> cudaError_t {
        const auto last = runtime.events.find(end);
        if (last == runtime.events.end() || !first->recorded || !last->second->recorded ||
            ((first->flags | last->second->flags) & cudaEventDisableTiming)) {
          return cudaErrorInvalidResourceHandle;
        }
        if (!first->point.Reached() || !last->second->point.Reached()) return cudaErrorNotReady;
        *ms = static_cast<float>(last->second->stamp->ms.load() - first->stamp->ms.load());
        return cudaSuccess;
      });
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  if ((flags & ~unsigned{cudaEventWaitExternal}) != 0) return emu::Remember(cudaErrorInvalidValue);
  return emu::StreamCall(
      stream, [&](emu::Runtime& runtime, const auto& found, emu::Lock& lock) -> cudaError_t {
        const auto awaited = runtime.events.find(event);
        if (awaited == runtime.events.end()) return cudaErrorInvalidResourceHandle;
        const std::shared_ptr<emu::Event> held = awaited->second;
        return emu::WaitForEvent(runtime, lock, found, held, flags == cudaEventWaitExternal);
      });
}

cudaError_t cudaStreamWaitEvent_ptsz(cudaStream_t stream, cudaEvent_t event, unsigned flags) {
  return cudaStreamWaitEvent(emu::PerThread(stream), event, flags);
}

}  // extern "C"
