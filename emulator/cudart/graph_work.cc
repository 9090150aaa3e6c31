#include "emulator/cudart/graph_work.h"

#include "emulator/cudart/copy.h"
#include "emulator/cudart/graph_call.h"
#include "emulator/cudart/launch.h"

namespace emu {
namespace {

std::shared_ptr<Event> FindEvent(Runtime& runtime, cudaEvent_t handle) {
  const auto found = runtime.events.find(handle);
  return found == runtime.events.end() ? nullptr : found->second;
}

cudaError_t EventWork(Runtime& runtime, bool record, cudaEvent_t handle, Work* work) {
  const std::shared_ptr<Event> event = FindEvent(runtime, handle);
  if (event == nullptr) return cudaErrorInvalidResourceHandle;
  *work = record ? Work(RecordWork{event}) : Work(WaitWork{event});
  return cudaSuccess;
}

cudaError_t ChildGraphWork(Runtime& runtime, cudaGraph_t handle, Work* work) {
  const std::shared_ptr<Graph> graph = FindGraph(runtime, handle);
  if (graph == nullptr) return cudaErrorInvalidValue;
  *work = ChildWork{graph->Clone()};
  return cudaSuccess;
}

cudaError_t MemoryWork(Runtime& runtime, cudaMemAllocNodeParamsV2* params, Work* work) {
  const cudaMemLocation& location = params->poolProps.location;
  if (location.type != cudaMemLocationTypeDevice || params->bytesize == 0 || location.id < 0 ||
      location.id >= static_cast<int>(runtime.devices.size())) {
    return cudaErrorInvalidValue;
  }
  Device& device = *runtime.devices[static_cast<size_t>(location.id)];
  AllocateWork memory = runtime.NewGraphMemory(device, params->bytesize);
  if (memory.base == nullptr) return cudaErrorMemoryAllocation;
  params->dptr = memory.base;
  *work = std::move(memory);
  return cudaSuccess;
}

cudaError_t ReleaseWork(Runtime& runtime, void* base, Work* work) {
  const Allocation* allocation = runtime.allocations.FindBase(base);
  if (allocation == nullptr || !allocation->graph_owned) return cudaErrorInvalidValue;
  *work = FreeWork{allocation->device, base};
  return cudaSuccess;
}

}  // namespace

cudaError_t ToWork(Runtime& runtime, const cudaKernelNodeParams& params, Work* work) {
  if (runtime.devices.empty()) return cudaErrorNoDevice;
  KernelWork kernel;
  const cudaError_t error = MakeKernelWork(runtime, runtime.CurrentDevice(),
                                           {.function = params.func,
                                            .grid = params.gridDim,
                                            .block = params.blockDim,
                                            .args = params.kernelParams,
                                            .extra = params.extra,
                                            .dynamic_shared_bytes = params.sharedMemBytes},
                                           &kernel);
  if (error == cudaSuccess) *work = std::move(kernel);
  return error;
}

cudaError_t ToWork(Runtime& runtime, const cudaMemcpy3DParms& params, Work* work) {
  CopyRequest request;
  CopyWork copy;
  cudaError_t error = CopyOf(params, &request);
  if (error == cudaSuccess) error = MakeCopyWork(runtime, request, &copy);
  if (error == cudaSuccess) *work = std::move(copy);
  return error;
}

cudaError_t ToWork(Runtime& runtime, const cudaMemsetParams& params, Work* work) {
  FillWork fill;
  const cudaError_t error = MakeFillWork(runtime,
                                         {.dst = params.dst,
                                          .pitch = params.pitch,
                                          .value = params.value,
                                          .element_bytes = params.elementSize,
                                          .width = params.width,
                                          .height = params.height},
                                         &fill);
  if (error == cudaSuccess) *work = fill;
  return error;
}

cudaError_t ToWork(Runtime& /*runtime*/, const cudaHostNodeParams& params, Work* work) {
  if (params.fn == nullptr) return cudaErrorInvalidValue;
  *work = HostWork{params.fn, params.userData};
  return cudaSuccess;
}

cudaError_t ToWork(Runtime& runtime, cudaGraphNodeParams* params, Work* work) {
  switch (params->type) {
    case cudaGraphNodeTypeEmpty:
      *work = EmptyWork();
      return cudaSuccess;
    case cudaGraphNodeTypeKernel: {
      const cudaKernelNodeParamsV2& kernel = params->kernel;
      return ToWork(runtime,
                    cudaKernelNodeParams{.func = kernel.func,
                                         .gridDim = kernel.gridDim,
                                         .blockDim = kernel.blockDim,
                                         .sharedMemBytes = kernel.sharedMemBytes,
                                         .kernelParams = kernel.kernelParams,
                                         .extra = kernel.extra},
                    work);
    }
    case cudaGraphNodeTypeMemcpy:
      return ToWork(runtime, params->memcpy.copyParams, work);
    case cudaGraphNodeTypeMemset: {
      const cudaMemsetParamsV2& fill = params->memset;
      return ToWork(runtime,
                    cudaMemsetParams{.dst = fill.dst,
                                     .pitch = fill.pitch,
                                     .value = fill.value,
                                     .elementSize = fill.elementSize,
                                     .width = fill.width,
                                     .height = fill.height},
                    work);
    }
    case cudaGraphNodeTypeHost:
      return ToWork(runtime,
                    cudaHostNodeParams{.fn = params->host.fn, .userData = params->host.userData},
                    work);
    case cudaGraphNodeTypeGraph:
      return ChildGraphWork(runtime, params->graph.graph, work);
    case cudaGraphNodeTypeWaitEvent:
      return EventWork(runtime, false, params->eventWait.event, work);
    case cudaGraphNodeTypeEventRecord:
      return EventWork(runtime, true, params->eventRecord.event, work);
    case cudaGraphNodeTypeMemAlloc:
      return MemoryWork(runtime, &params->alloc, work);
    case cudaGraphNodeTypeMemFree:
      return ReleaseWork(runtime, params->free.dptr, work);
    default:
      return cudaErrorNotSupported;
  }
}

bool FromWork(Work& work, cudaKernelNodeParams* params) {
  auto* kernel = std::get_if<KernelWork>(&work);
  if (kernel == nullptr) return false;
  kernel->param_pointers.clear();
  for (const Param& param : kernel->loaded->kernel->params()) {
    kernel->param_pointers.push_back(kernel->params.data() + param.offset);
  }
  *params = {.func = const_cast<void*>(kernel->handle),
             .gridDim = dim3(kernel->grid.x, kernel->grid.y, kernel->grid.z),
             .blockDim = dim3(kernel->block.x, kernel->block.y, kernel->block.z),
             .sharedMemBytes = kernel->dynamic_shared_bytes,
             .kernelParams = kernel->param_pointers.data(),
             .extra = nullptr};
  return true;
}

bool FromWork(const Work& work, cudaMemcpy3DParms* params) {
  const auto* copy = std::get_if<CopyWork>(&work);
  if (copy == nullptr) return false;
  *params = {};
  params->dstPtr = {copy->dst, copy->dst_pitch, copy->width, copy->dst_rows};
  params->srcPtr = {const_cast<void*>(copy->src), copy->src_pitch, copy->width, copy->src_rows};
  params->extent = {copy->width, copy->height, copy->depth};
  params->kind = copy->kind;
  return true;
}

bool FromWork(const Work& work, cudaMemsetParams* params) {
  const auto* fill = std::get_if<FillWork>(&work);
  if (fill == nullptr) return false;
  *params = {.dst = fill->dst,
             .pitch = fill->pitch,
             .value = fill->value,
             .elementSize = fill->element_bytes,
             .width = fill->width,
             .height = fill->height};
  return true;
}

bool FromWork(const Work& work, cudaHostNodeParams* params) {
  const auto* host = std::get_if<HostWork>(&work);
  if (host == nullptr) return false;
  *params = {.fn = host->function, .userData = host->user_data};
  return true;
}

cudaError_t ReplaceWork(const Work& by, Work* work) {
  if (by.index() != work->index()) return cudaErrorInvalidValue;
  if (std::holds_alternative<AllocateWork>(by)) return cudaErrorNotSupported;
  *work = by;
  return cudaSuccess;
}

}  // namespace emu
