#include "emulator/cudart/work.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "emulator/cudart/kernel_run.h"
#include "emulator/cudart/runtime.h"
#include "emulator/ptx/memory_registry.h"
#include "emulator/ptx/shadow_memory.h"

namespace emu {
namespace {

thread_local bool inside_host_function = false;

class HostFunctionScope {
 public:
  HostFunctionScope() { inside_host_function = true; }
  ~HostFunctionScope() { inside_host_function = false; }
};

// Device memory may have been freed between the call and now; a copy must find that, not crash.
bool CheckRange(const char* what, const void* at, size_t bytes) {
  const auto address = reinterpret_cast<uint64_t>(at);
  if (bytes == 0 || IsLiveMemory(address, bytes)) return true;
  const Fault fault = DescribeBadAccess(address, bytes, 0);
  std::fprintf(stderr, "switchyard emulator: %s of %zu bytes: %s: %s\n", what, bytes,
               std::string(FaultName(fault.kind())).c_str(), fault.message().c_str());
  return false;
}

// For the check of uninitialised reads: a copy between devices carries over what was never written.
void NoteCopy(const CopyWork& work, const std::byte* to, const std::byte* from) {
  if (!work.dst_is_device) return;
  if (work.src_is_device) {
    CopyWritten(to, from, work.width);
  } else {
    MarkWritten(to, work.width);
  }
}

cudaError_t Run(const EmptyWork&) { return cudaSuccess; }

cudaError_t Run(const KernelWork& work) { return RunKernel(work); }

cudaError_t Run(const CopyWork& work) {
  const auto* src = work.staged ? work.staged->data() : static_cast<const std::byte*>(work.src);
  auto* dst = static_cast<std::byte*>(work.dst);
  for (size_t y = 0; y < work.height; ++y) {
    std::byte* to = dst + y * work.dst_pitch;
    const std::byte* from = src + y * work.src_pitch;
    if (work.dst_is_device && !CheckRange("copy to device memory", to, work.width)) {
      return cudaErrorIllegalAddress;
    }
    if (work.src_is_device && !CheckRange("copy from device memory", from, work.width)) {
      return cudaErrorIllegalAddress;
    }
    std::memmove(to, from, work.width);
    NoteCopy(work, to, from);
  }
  return cudaSuccess;
}

cudaError_t Run(const FillWork& work) {
  const size_t row_bytes = work.width * work.element_bytes;
  for (size_t y = 0; y < work.height; ++y) {
    auto* row = static_cast<std::byte*>(work.dst) + y * work.pitch;
    if (!CheckRange("fill of device memory", row, row_bytes)) return cudaErrorIllegalAddress;
    MarkWritten(row, row_bytes);
    if (work.element_bytes == 1) {
      std::memset(row, static_cast<int>(work.value), row_bytes);
      continue;
    }
    for (size_t x = 0; x < work.width; ++x) {
      std::memcpy(row + x * work.element_bytes, &work.value, work.element_bytes);
    }
  }
  return cudaSuccess;
}

cudaError_t Run(const HostWork& work) {
  const HostFunctionScope scope;
  work.function(work.user_data);
  return cudaSuccess;
}

cudaError_t Run(const CallbackWork& work) {
  const HostFunctionScope scope;
  work.callback(work.stream, cudaSuccess, work.user_data);
  return cudaSuccess;
}

cudaError_t Run(const CallWork& work) {
  work.run(work.argument.get());
  return cudaSuccess;
}

cudaError_t Run(const AllocateWork& work) {
  Runtime& runtime = *Runtime::Get();
  const Lock lock(runtime.mutex);
  if (!work.device->arena->Commit(work.base)) {
    std::fprintf(stderr, "switchyard emulator: no memory for an allocation of %zu bytes: %s\n",
                 work.bytes, std::strerror(errno));
    return cudaErrorMemoryAllocation;
  }
  runtime.RegisterFresh(work.base, work.bytes, "stream-ordered memory");
  return cudaSuccess;
}

cudaError_t Run(const FreeWork& work) {
  Runtime& runtime = *Runtime::Get();
  const Lock lock(runtime.mutex);
  return runtime.FinishFree(work.base);
}

cudaError_t Run(const RecordWork&) { return cudaSuccess; }
cudaError_t Run(const WaitWork&) { return cudaSuccess; }
cudaError_t Run(const ChildWork&) { return cudaSuccess; }

struct TypeVisitor {
  cudaGraphNodeType operator()(const EmptyWork&) const { return cudaGraphNodeTypeEmpty; }
  cudaGraphNodeType operator()(const KernelWork&) const { return cudaGraphNodeTypeKernel; }
  cudaGraphNodeType operator()(const CopyWork&) const { return cudaGraphNodeTypeMemcpy; }
  cudaGraphNodeType operator()(const FillWork&) const { return cudaGraphNodeTypeMemset; }
  cudaGraphNodeType operator()(const HostWork&) const { return cudaGraphNodeTypeHost; }
  cudaGraphNodeType operator()(const CallbackWork&) const { return cudaGraphNodeTypeHost; }
  // A collective is a kernel on a real device.
  cudaGraphNodeType operator()(const CallWork&) const { return cudaGraphNodeTypeKernel; }
  cudaGraphNodeType operator()(const RecordWork&) const { return cudaGraphNodeTypeEventRecord; }
  cudaGraphNodeType operator()(const WaitWork&) const { return cudaGraphNodeTypeWaitEvent; }
  cudaGraphNodeType operator()(const AllocateWork&) const { return cudaGraphNodeTypeMemAlloc; }
  cudaGraphNodeType operator()(const FreeWork&) const { return cudaGraphNodeTypeMemFree; }
  cudaGraphNodeType operator()(const ChildWork&) const { return cudaGraphNodeTypeGraph; }
};

}  // namespace

cudaError_t RunWork(const Work& work) {
  return std::visit([](const auto& one) { return Run(one); }, work);
}

bool MayBlock(const Work& work) {
  return std::holds_alternative<HostWork>(work) || std::holds_alternative<CallbackWork>(work) ||
         std::holds_alternative<CallWork>(work);
}

Device* DeviceOf(const Work& work) {
  const auto* kernel = std::get_if<KernelWork>(&work);
  return kernel == nullptr ? nullptr : kernel->device;
}

cudaGraphNodeType NodeTypeOf(const Work& work) { return std::visit(TypeVisitor(), work); }

bool InsideHostFunction() { return inside_host_function; }

}  // namespace emu
