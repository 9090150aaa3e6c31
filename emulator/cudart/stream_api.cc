// The C interface: streams.
#include <cuda_runtime_api.h>

#include <algorithm>

#include "emulator/cudart/entry.h"

namespace emu {
namespace {

constexpr int kGreatestPriority = -5;

cudaError_t Create(cudaStream_t* out, unsigned flags, int priority) {
  if (out == nullptr || (flags & ~unsigned{cudaStreamNonBlocking}) != 0) {
    return Remember(cudaErrorInvalidValue);
  }
  return DeviceCall([&](Runtime& runtime, Device& device, Lock&) {
    // Priorities outside the range are brought into it, as CUDA does.
    const int clamped = std::clamp(priority, kGreatestPriority, 0);
    const auto stream = runtime.NewStream(device, StreamKind::kCreated, flags, clamped);
    runtime.streams[stream.get()] = stream;
    *out = reinterpret_cast<cudaStream_t>(stream.get());
    return cudaSuccess;
  });
}

// A call that a capturing stream does not survive.
cudaError_t RefuseCapture(Runtime& runtime, const Stream& stream) {
  if (stream.capture != nullptr) {
    stream.capture->invalid = true;
    return cudaErrorStreamCaptureUnsupported;
  }
  if (const cudaError_t error = runtime.CheckImplicit(stream)) return error;
  return runtime.CheckUnsafe();
}

// A stream with work that keeps `stream` from being done: itself, or for the legacy stream any that
// it is ordered behind. Null: it is done.
std::shared_ptr<Stream> FirstBusy(const Runtime& runtime, const std::shared_ptr<Stream>& stream) {
  if (!stream->idle()) return stream;
  if (stream->kind != StreamKind::kLegacy) return nullptr;
  for (const auto& other : runtime.scheduler.streams()) {
    if (other->device == stream->device && other->blocking() && !other->idle()) return other;
  }
  return nullptr;
}

template <typename Get>
cudaError_t Query(cudaStream_t stream, Get get) {
  return StreamCall(stream, [&](Runtime&, const std::shared_ptr<Stream>& found, Lock&) {
    get(*found);
    return cudaSuccess;
  });
}

cudaError_t GetAttribute(const Stream& stream, cudaLaunchAttributeID id,
                         cudaLaunchAttributeValue* value) {
  switch (id) {
    case cudaLaunchAttributeAccessPolicyWindow:
      value->accessPolicyWindow = stream.access_policy.accessPolicyWindow;
      return cudaSuccess;
    case cudaLaunchAttributeSynchronizationPolicy:
      value->syncPolicy = stream.synchronization_policy;
      return cudaSuccess;
    case cudaLaunchAttributePriority:
      value->priority = stream.priority;
      return cudaSuccess;
    default:
      return cudaErrorInvalidValue;
  }
}

cudaError_t SetAttribute(Stream& stream, cudaLaunchAttributeID id,
                         const cudaLaunchAttributeValue& value) {
  switch (id) {
    case cudaLaunchAttributeAccessPolicyWindow:
      stream.access_policy = value;
      return cudaSuccess;
    case cudaLaunchAttributeSynchronizationPolicy:
      stream.synchronization_policy = value.syncPolicy;
      return cudaSuccess;
    case cudaLaunchAttributePriority:
      stream.priority = std::clamp(value.priority, kGreatestPriority, 0);
      return cudaSuccess;
    default:
      return cudaErrorInvalidValue;
  }
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaStreamCreate(cudaStream_t* stream) { return emu::Create(stream, 0, 0); }

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return emu::Create(stream, flags, 0);
}

cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int priority) {
  return emu::Create(stream, flags, priority);
}

// Work that is queued still runs; the handle is gone at once.
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  return emu::DeviceCall([&](emu::Runtime& runtime, emu::Device&, emu::Lock&) -> cudaError_t {
    const auto found = runtime.streams.find(stream);
    if (found == runtime.streams.end()) return cudaErrorInvalidResourceHandle;
    if (found->second->capture != nullptr) found->second->capture->invalid = true;
    runtime.scheduler.Retire(found->second);
    runtime.streams.erase(found);
    return cudaSuccess;
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  return emu::StreamCall(
      stream, [](emu::Runtime& runtime, const auto& found, emu::Lock& lock) -> cudaError_t {
        if (const cudaError_t error = emu::RefuseCapture(runtime, *found)) return error;
        // The legacy stream stands for all that it is ordered behind.
        if (found->kind == emu::StreamKind::kLegacy) runtime.SubmitOperation(lock, *found, {});
        runtime.scheduler.WaitFor(lock, {found, found->queued});
        return found->device->sticky;
      });
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  return emu::StreamCall(
      stream, [](emu::Runtime& runtime, const auto& found, emu::Lock& lock) -> cudaError_t {
        if (const cudaError_t error = emu::RefuseCapture(runtime, *found)) return error;
        const std::shared_ptr<emu::Stream> busy = emu::FirstBusy(runtime, found);
        if (busy != nullptr) runtime.scheduler.Nudge(lock, {busy, busy->queued});
        if (found->device->sticky != cudaSuccess) return found->device->sticky;
        return emu::FirstBusy(runtime, found) == nullptr ? cudaSuccess : cudaErrorNotReady;
      });
}

cudaError_t cudaStreamGetPriority(cudaStream_t stream, int* priority) {
  if (priority == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::Query(stream, [&](const emu::Stream& s) { *priority = s.priority; });
}

cudaError_t cudaStreamGetFlags(cudaStream_t stream, unsigned* flags) {
  if (flags == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::Query(stream, [&](const emu::Stream& s) { *flags = s.flags; });
}

cudaError_t cudaStreamGetId(cudaStream_t stream, unsigned long long* id) {
  if (id == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::Query(stream, [&](const emu::Stream& s) { *id = s.id; });
}

cudaError_t cudaStreamGetDevice(cudaStream_t stream, int* device) {
  if (device == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::Query(stream, [&](const emu::Stream& s) { *device = s.device->ordinal; });
}

cudaError_t cudaStreamGetAttribute(cudaStream_t stream, cudaStreamAttrID attribute,
                                   cudaStreamAttrValue* value) {
  if (value == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::StreamCall(stream, [&](emu::Runtime&, const auto& found, emu::Lock&) {
    return emu::GetAttribute(*found, attribute, value);
  });
}

cudaError_t cudaStreamSetAttribute(cudaStream_t stream, cudaStreamAttrID attribute,
                                   const cudaStreamAttrValue* value) {
  if (value == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::StreamCall(stream, [&](emu::Runtime&, const auto& found, emu::Lock&) {
    return emu::SetAttribute(*found, attribute, *value);
  });
}

}  // extern "C"
