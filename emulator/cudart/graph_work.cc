#include "emulator/cudart/graph_work.h"

#include "emulator/cudart/copy.h"
#include "emulator/cudart/launch.h"

namespace emu {

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

cudaError_t ReplaceWork(const Work& by, Work* work) {
  if (by.index() != work->index()) return cudaErrorInvalidValue;
  if (std::holds_alternative<AllocateWork>(by)) return cudaErrorNotSupported;
  *work = by;
  return cudaSuccess;
}

}  // namespace emu
