#include "emulator/cudart/runtime.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string>
#include <utility>

#include "emulator/cudart/device_properties.h"
#include "emulator/cudart/visible_devices.h"
#include "emulator/ptx/memory_registry.h"
#include "emulator/ptx/shadow_memory.h"

namespace emu {

thread_local int current_device = 0;
thread_local cudaStreamCaptureMode thread_capture_mode = cudaStreamCaptureModeGlobal;

namespace {

std::atomic<bool> used{false};
std::atomic<bool> forked{false};

// A thread's implicit streams, one per device that it used. They go when the thread does.
class PerThreadStreams {
 public:
  std::shared_ptr<Stream>& Of(const Device& device) { return streams_[&device]; }
  ~PerThreadStreams() {
    Runtime* runtime = streams_.empty() ? nullptr : Runtime::Get();
    if (runtime == nullptr) return;
    const Lock lock(runtime->mutex);
    for (auto& [device, stream] : streams_) {
      if (stream != nullptr) runtime->scheduler.Retire(stream);
    }
  }

 private:
  std::unordered_map<const Device*, std::shared_ptr<Stream>> streams_;
};
thread_local PerThreadStreams per_thread_streams;

// Addresses whose last graph is gone. The last holder may or may not have the runtime's lock, so
// they wait here, under a lock of their own, until memory is asked for.
struct Graveyard {
  std::mutex mutex;
  std::vector<void*> bases;
};

Graveyard& TheGraveyard() {
  static auto* const graveyard = new Graveyard();
  return *graveyard;
}

std::vector<void*> TakeBuried() {
  Graveyard& graveyard = TheGraveyard();
  const Lock lock(graveyard.mutex);
  return std::exchange(graveyard.bases, {});
}

}  // namespace

Runtime* Runtime::Get() {
  static Runtime* const runtime = []() -> Runtime* {
    const Settings* settings = ProcessSettings();
    if (settings == nullptr) return nullptr;
    pthread_atfork(nullptr, nullptr, [] { forked.store(used.load()); });
    return new Runtime(*settings);
  }();
  return forked.load(std::memory_order_relaxed) ? nullptr : runtime;
}

Runtime* Runtime::Use() {
  used.store(true, std::memory_order_relaxed);
  return Get();
}

Runtime::Runtime(const Settings& chosen) : settings(chosen), scheduler(mutex, chosen) {
  BeginMemoryChecks();  // a program's first kernel may follow a null pointer
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  for (const int physical : VisibleDevices(visible, settings.num_devices)) {
    auto device = std::make_unique<Device>();
    device->ordinal = static_cast<int>(devices.size());
    device->physical = physical;
    device->properties = MakeProperties(physical, settings.memory_bytes);
    device->legacy = NewStream(*device, StreamKind::kLegacy, 0, 0);
    device->default_pool = std::make_shared<MemoryPool>();
    device->default_pool->device = device.get();
    device->default_pool->is_default = true;
    device->current_pool = device->default_pool;
    pools[device->default_pool.get()] = device->default_pool;
    devices.push_back(std::move(device));
  }
}

Device& Runtime::CurrentDevice() { return *devices[static_cast<size_t>(current_device)]; }

DeviceArena* Runtime::ArenaOf(Device& device) {
  for (void* base : TakeBuried()) {
    allocations.FindBase(base)->graph_owned = false;
    FinishFree(base);
  }
  if (device.arena == nullptr) device.arena = DeviceArena::Create(settings.memory_bytes);
  return device.arena.get();
}

AllocateWork Runtime::NewGraphMemory(Device& device, size_t bytes) {
  DeviceArena* arena = ArenaOf(device);
  void* base = arena == nullptr ? nullptr : arena->Reserve(bytes);
  if (base == nullptr) return {};
  allocations.Add({.base = static_cast<std::byte*>(base),
                   .bytes = bytes,
                   .kind = MemoryKind::kPool,
                   .device = &device,
                   .graph_owned = true});
  const std::shared_ptr<void> owner(base, [](void* dead) {
    Graveyard& graveyard = TheGraveyard();
    const Lock lock(graveyard.mutex);
    graveyard.bases.push_back(dead);
  });
  return {&device, base, bytes, owner};
}

std::shared_ptr<Stream> Runtime::NewStream(Device& device, StreamKind kind, unsigned flags,
                                           int priority) {
  auto stream = std::make_shared<Stream>();
  stream->kind = kind;
  stream->device = &device;
  stream->flags = flags;
  stream->priority = priority;
  stream->id = next_id++;
  scheduler.AddStream(stream);
  return stream;
}

std::shared_ptr<Stream> Runtime::FindStream(cudaStream_t handle, Device& device) {
  if (handle == nullptr || handle == cudaStreamLegacy) return device.legacy;
  if (handle == cudaStreamPerThread) {
    std::shared_ptr<Stream>& stream = per_thread_streams.Of(device);
    if (stream == nullptr) stream = NewStream(device, StreamKind::kPerThread, 0, 0);
    return stream;
  }
  const auto found = streams.find(handle);
  return found == streams.end() ? nullptr : found->second;
}

// The legacy stream waits for all blocking streams of its device, and they for it.
void Runtime::AddImplicitOrder(const Stream& stream, std::vector<Point>* after) const {
  if (stream.blocking()) {
    const std::shared_ptr<Stream>& legacy = stream.device->legacy;
    if (!legacy->idle()) after->push_back({legacy, legacy->queued});
  } else if (stream.kind == StreamKind::kLegacy) {
    for (const auto& other : scheduler.streams()) {
      if (other->device == stream.device && other->blocking() && !other->idle()) {
        after->push_back({other, other->queued});
      }
    }
  }
}

void Runtime::SubmitOperation(Lock& lock, Stream& stream, Operation operation) {
  AddImplicitOrder(stream, &operation.after);
  scheduler.Enqueue(lock, stream, std::move(operation));
}

cudaError_t Runtime::CheckImplicit(const Stream& stream) {
  if (stream.kind != StreamKind::kLegacy) return cudaSuccess;
  for (const auto& capture : captures) {
    for (const auto& captured : capture->streams) {
      if (captured->device != stream.device || !captured->blocking()) continue;
      capture->invalid = true;
      return cudaErrorStreamCaptureImplicit;
    }
  }
  return cudaSuccess;
}

cudaError_t Runtime::CheckUnsafe() {
  if (thread_capture_mode == cudaStreamCaptureModeRelaxed) return cudaSuccess;
  cudaError_t error = cudaSuccess;
  for (const auto& capture : captures) {
    if (capture->mode == cudaStreamCaptureModeRelaxed) continue;
    const bool mine = capture->thread == std::this_thread::get_id();
    const bool concerns_all = capture->mode == cudaStreamCaptureModeGlobal &&
                              thread_capture_mode == cudaStreamCaptureModeGlobal;
    if (!mine && !concerns_all) continue;
    capture->invalid = true;
    error = cudaErrorStreamCaptureUnsupported;
  }
  return error;
}

cudaError_t Runtime::Submit(Lock& lock, const std::shared_ptr<Stream>& stream, Work work) {
  if (stream->capture != nullptr) {
    Capture& capture = *stream->capture;
    if (capture.invalid) return cudaErrorStreamCaptureInvalidated;
    stream->capture_tail = {capture.graph->Add(std::move(work), stream->capture_tail)};
    return cudaSuccess;
  }
  if (const cudaError_t error = CheckImplicit(*stream)) return error;
  Operation operation;
  operation.may_block = MayBlock(work);
  operation.seen_outside = operation.may_block;
  operation.run = [work = std::move(work)] { return RunWork(work); };
  SubmitOperation(lock, *stream, std::move(operation));
  return cudaSuccess;
}

void Runtime::RegisterFresh(void* base, size_t bytes, std::string_view label) const {
  RegisterMemory(base, bytes, label);
  if (settings.interpreter.initcheck) ShadowMemory(base, bytes);
}

cudaError_t Runtime::FinishFree(void* base) {
  const Allocation* allocation = allocations.FindBase(base);
  if (allocation == nullptr) return cudaErrorInvalidValue;
  UnregisterMemory(base);
  if (allocation->pool != nullptr) allocation->pool->used -= allocation->bytes;
  DeviceArena& arena = *allocation->device->arena;
  if (allocation->graph_owned) {
    arena.Decommit(base);
    return cudaSuccess;
  }
  arena.Free(base);
  allocations.Remove(base);
  return cudaSuccess;
}

void Runtime::Reset(Lock& lock, Device& device) {
  scheduler.WaitForDevice(lock, device);
  std::vector<void*> bases;
  for (const auto& [base, allocation] : allocations.all()) {
    const bool in_arena = allocation.kind == MemoryKind::kDevice ||
                          (allocation.kind == MemoryKind::kPool && !allocation.graph_owned);
    if (allocation.device == &device && in_arena) bases.push_back(allocation.base);
  }
  for (void* base : bases) FinishFree(base);
  std::erase_if(streams, [&](const auto& entry) {
    if (entry.second->device != &device) return false;
    scheduler.Retire(entry.second);
    return true;
  });
  std::erase_if(events, [&](const auto& entry) { return entry.second->device == &device; });
  device.current_pool = device.default_pool;
  device.peers.clear();
  device.limits.clear();
  device.sticky = cudaSuccess;
  device.flags = 0;
}

}  // namespace emu
