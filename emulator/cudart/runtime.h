// The process's emulated CUDA: devices, what the program created on them, and one lock over all.
//
// One per process, made at the first call and never destroyed: helper threads and the program's own
// exit handlers may outlive main. A child made by fork has none (CUDA does not survive a fork).
//
// Thread: any. Members are guarded by `mutex`, which is never held while work runs.
#ifndef SWITCHYARD_EMULATOR_CUDART_RUNTIME_H_
#define SWITCHYARD_EMULATOR_CUDART_RUNTIME_H_

#include <driver_types.h>

#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "emulator/cudart/allocation_map.h"
#include "emulator/cudart/capture.h"
#include "emulator/cudart/device.h"
#include "emulator/cudart/event.h"
#include "emulator/cudart/graph.h"
#include "emulator/cudart/graph_plan.h"
#include "emulator/cudart/program.h"
#include "emulator/cudart/scheduler.h"
#include "emulator/cudart/settings.h"
#include "emulator/cudart/work.h"

namespace emu {

class Runtime {
 public:
  // Null: the settings are wrong, or this is a forked child of a process that used CUDA.
  static Runtime* Get();
  // The same, and from now on the process counts as one that uses CUDA. Registration of device code
  // alone does not: a program may fork before its first call.
  static Runtime* Use();

  std::mutex mutex;
  const Settings& settings;
  std::vector<std::unique_ptr<Device>> devices;  // visible ones; fixed
  Scheduler scheduler;
  Program program;
  AllocationMap allocations;

  // What handles point to. A handle that is not in its map is refused.
  std::unordered_map<const void*, std::shared_ptr<Stream>> streams;
  std::unordered_map<const void*, std::shared_ptr<Event>> events;
  std::unordered_map<const void*, std::shared_ptr<Graph>> graphs;
  std::unordered_map<const void*, std::shared_ptr<GraphExec>> execs;
  std::unordered_map<const void*, std::shared_ptr<MemoryPool>> pools;
  struct HeldUserObject {
    std::shared_ptr<UserObject> object;
    unsigned references = 0;  // of the program; graphs hold their own
  };
  std::unordered_map<const void*, HeldUserObject> user_objects;
  std::vector<std::shared_ptr<Capture>> captures;  // under way
  unsigned long long next_id = 1;                  // of streams and captures

  Device& CurrentDevice();
  // The device's arena, reserved at first use. Null: the system gave no memory.
  DeviceArena* ArenaOf(Device& device);
  // Memory that a graph allocates: the address is taken now and belongs to who holds the work.
  // base is null: not so much is free.
  AllocateWork NewGraphMemory(Device& device, size_t bytes);

  // The stream that a handle means to the calling thread; null, legacy and per-thread handles mean
  // those of `device`. Null: no such stream.
  std::shared_ptr<Stream> FindStream(cudaStream_t handle, Device& device);
  std::shared_ptr<Stream> NewStream(Device& device, StreamKind kind, unsigned flags, int priority);

  // Puts work at the end of a stream, or into the graph that the stream is capturing.
  cudaError_t Submit(Lock& lock, const std::shared_ptr<Stream>& stream, Work work);
  // The same for an operation that no capture can hold. REQUIRES: the stream does not capture.
  void SubmitOperation(Lock& lock, Stream& stream, Operation operation);
  // Refuses work on the legacy stream while a stream that it would wait for captures.
  cudaError_t CheckImplicit(const Stream& stream);
  // Refuses a call that CUDA forbids while captures are under way (cudaStreamCaptureMode).
  cudaError_t CheckUnsafe();

  // Tells the interpreter of memory that nobody has written yet.
  void RegisterFresh(void* base, size_t bytes, std::string_view label) const;
  // The end of a stream-ordered free: the memory is gone from here on.
  cudaError_t FinishFree(void* base);
  // Ends everything of the device: cudaDeviceReset.
  void Reset(Lock& lock, Device& device);

 private:
  explicit Runtime(const Settings& settings);
  void AddImplicitOrder(const Stream& stream, std::vector<Point>* after) const;
};

// The calling thread's current device, as an ordinal.
extern thread_local int current_device;
// The calling thread's side of cudaThreadExchangeStreamCaptureMode.
extern thread_local cudaStreamCaptureMode thread_capture_mode;

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_RUNTIME_H_
