// What a stream or a graph can be asked to do, as data: one type per kind, validated when the call
// is made and run later, once or many times. Nothing here refers to the caller's memory except the
// buffers that CUDA says must live until the work is done.
//
// Values; a copy shares what is behind pointers. Thread: RunWork on any, without Runtime::mutex.
#ifndef SWITCHYARD_EMULATOR_CUDART_WORK_H_
#define SWITCHYARD_EMULATOR_CUDART_WORK_H_

#include <driver_types.h>

#include <cstddef>
#include <memory>
#include <variant>
#include <vector>

#include "emulator/cudart/event.h"
#include "emulator/cudart/program.h"
#include "emulator/ptx/launch.h"

namespace emu {

struct Device;
struct Graph;

struct EmptyWork {};

struct KernelWork {
  Device* device = nullptr;
  const Function* function = nullptr;
  const LoadedKernel* loaded = nullptr;
  const void* handle = nullptr;  // as the caller named the kernel
  Dim3 grid, block, cluster;
  uint32_t dynamic_shared_bytes = 0;
  bool cooperative = false;
  std::vector<std::byte> params;
  std::vector<void*> param_pointers;  // into `params`, made by a node query
};

// Rows of bytes. A flat copy has a height of 1.
struct CopyWork {
  void* dst = nullptr;
  const void* src = nullptr;
  size_t width = 0;  // bytes
  size_t height = 1;
  size_t dst_pitch = 0, src_pitch = 0;  // bytes from row to row
  bool dst_is_device = false, src_is_device = false;
  // Of a copy from pageable memory: its bytes when the call was made. Null: read `src` when run.
  std::shared_ptr<const std::vector<std::byte>> staged;
};

struct FillWork {
  void* dst = nullptr;
  size_t pitch = 0;  // bytes
  unsigned value = 0;
  unsigned element_bytes = 1;  // 1, 2, 4
  size_t width = 0;            // elements
  size_t height = 1;
};

struct HostWork {
  cudaHostFn_t function = nullptr;
  void* user_data = nullptr;
};

struct CallbackWork {  // cudaStreamAddCallback
  void (*callback)(cudaStream_t, cudaError_t, void*) = nullptr;
  void* user_data = nullptr;
  cudaStream_t stream = nullptr;
};

// Work of a library above this one (switchyard_emulator_enqueue). `argument` destroys itself.
struct CallWork {
  void (*run)(void*) = nullptr;
  std::shared_ptr<void> argument;
};

// Nodes of graphs only; in a stream a record is a position and a wait a dependency.
struct RecordWork {
  std::shared_ptr<Event> event;
};
struct WaitWork {
  std::shared_ptr<Event> event;
};

// The stream-ordered halves of an allocation whose address is already known.
struct AllocateWork {
  Device* device = nullptr;
  void* base = nullptr;
  size_t bytes = 0;
  std::shared_ptr<void> owner;  // of a graph's address: frees it when no graph knows it any more
};
struct FreeWork {
  Device* device = nullptr;
  void* base = nullptr;
};

struct ChildWork {
  std::shared_ptr<Graph> graph;
};

using Work = std::variant<EmptyWork, KernelWork, CopyWork, FillWork, HostWork, CallbackWork,
                          CallWork, RecordWork, WaitWork, AllocateWork, FreeWork, ChildWork>;

// Does it. What goes wrong is reported on standard error; the result is the device's fatal error.
// REQUIRES: no RecordWork, WaitWork, ChildWork (graph_plan.h resolves them).
cudaError_t RunWork(const Work& work);

// It waits for somebody outside the device, or may.
bool MayBlock(const Work& work);

// The device that executes it; null: any.
Device* DeviceOf(const Work& work);

cudaGraphNodeType NodeTypeOf(const Work& work);

// This thread is running a host function: CUDA calls are not permitted.
bool InsideHostFunction();

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_WORK_H_
