#include "emulator/cudart/launch.h"

#include <cstring>

#include "emulator/cudart/occupancy.h"

namespace emu {
namespace {

Dim3 ToDim3(const dim3& d) { return {d.x, d.y, d.z}; }

bool Within(const dim3& size, const int (&limit)[3]) {
  const unsigned values[] = {size.x, size.y, size.z};
  for (int i = 0; i < 3; ++i) {
    if (values[i] == 0 || values[i] > static_cast<unsigned>(limit[i])) return false;
  }
  return true;
}

cudaError_t CheckShape(const LaunchRequest& request, const Device& device,
                       const LoadedKernel& loaded) {
  const cudaDeviceProp& properties = device.properties;
  const uint64_t threads = ToDim3(request.block).Count();
  if (!Within(request.grid, properties.maxGridSize) ||
      !Within(request.block, properties.maxThreadsDim) ||
      threads > static_cast<uint64_t>(properties.maxThreadsPerBlock)) {
    return cudaErrorInvalidConfiguration;
  }
  const uint32_t bound = loaded.kernel->max_threads();
  if (bound != 0 && threads > bound) return cudaErrorInvalidValue;
  const Shape3 required = loaded.kernel->required_block();
  if (required.x != 0 && (request.block.x != required.x || request.block.y != required.y ||
                          request.block.z != required.z)) {
    return cudaErrorInvalidValue;
  }
  if (request.dynamic_shared_bytes > loaded.max_dynamic_shared) return cudaErrorInvalidValue;
  const BlockShape shape = {.threads = static_cast<int>(threads),
                            .registers_per_thread = loaded.resources.num_registers};
  return RegistersFit(shape) ? cudaSuccess : cudaErrorLaunchOutOfResources;
}

// What the attributes ask for; those that only steer speed have no effect.
cudaError_t TakeAttributes(const LaunchRequest& request, KernelWork* work) {
  for (unsigned i = 0; i < request.num_attributes; ++i) {
    const cudaLaunchAttribute& attribute = request.attributes[i];
    switch (attribute.id) {
      case cudaLaunchAttributeIgnore:
        break;
      case cudaLaunchAttributeClusterDimension:
        work->cluster = {attribute.val.clusterDim.x, attribute.val.clusterDim.y,
                         attribute.val.clusterDim.z};
        break;
      case cudaLaunchAttributeCooperative:
        work->cooperative = attribute.val.cooperative != 0;
        break;
      case cudaLaunchAttributePriority:
      case cudaLaunchAttributeAccessPolicyWindow:
      case cudaLaunchAttributeClusterSchedulingPolicyPreference:
      case cudaLaunchAttributeProgrammaticStreamSerialization:
      case cudaLaunchAttributeProgrammaticEvent:
      case cudaLaunchAttributeLaunchCompletionEvent:
      case cudaLaunchAttributeMemSyncDomainMap:
      case cudaLaunchAttributeMemSyncDomain:
      case cudaLaunchAttributePreferredClusterDimension:
      case cudaLaunchAttributePreferredSharedMemoryCarveout:
      case cudaLaunchAttributeNvlinkUtilCentricScheduling:
        break;
      default:
        return cudaErrorNotSupported;
    }
  }
  return cudaSuccess;
}

cudaError_t CheckCluster(const LoadedKernel& loaded, KernelWork* work) {
  const Shape3 required = loaded.kernel->required_cluster();
  const bool asked = work->cluster.Count() != 1;
  if (required.x != 0) {
    const Dim3 shape = {required.x, required.y, required.z};
    if (asked &&
        (work->cluster.x != shape.x || work->cluster.y != shape.y || work->cluster.z != shape.z)) {
      return cudaErrorInvalidClusterSize;
    }
    work->cluster = shape;
  } else if (!asked && loaded.cluster_x != 0) {
    work->cluster = {loaded.cluster_x, loaded.cluster_y, loaded.cluster_z};
  }
  const Dim3& cluster = work->cluster;
  const uint64_t limit = loaded.non_portable_cluster ? kMaxCluster : kMaxPortableCluster;
  if (cluster.Count() == 0 || cluster.Count() > limit || work->grid.x % cluster.x != 0 ||
      work->grid.y % cluster.y != 0 || work->grid.z % cluster.z != 0) {
    return cudaErrorInvalidClusterSize;
  }
  return cudaSuccess;
}

cudaError_t CheckCooperative(const LoadedKernel& loaded, const KernelWork& work) {
  if (!work.cooperative) return cudaSuccess;
  const BlockShape shape = {.threads = static_cast<int>(work.block.Count()),
                            .registers_per_thread = loaded.resources.num_registers,
                            .static_shared_bytes = loaded.kernel->static_shared_bytes(),
                            .dynamic_shared_bytes = work.dynamic_shared_bytes};
  const auto resident = static_cast<uint64_t>(BlocksPerMultiprocessor(shape)) * kNumMultiprocessors;
  return work.grid.Count() <= resident ? cudaSuccess : cudaErrorCooperativeLaunchTooLarge;
}

// `extra` is a list of markers, each followed by its value, up to an end marker.
cudaError_t TakePacked(void** extra, std::vector<std::byte>* params) {
  // The values of CU_LAUNCH_PARAM_END, _BUFFER_POINTER and _BUFFER_SIZE.
  const void* buffer = nullptr;
  size_t bytes = 0;
  for (size_t i = 0; extra[i] != nullptr; i += 2) {
    switch (reinterpret_cast<uintptr_t>(extra[i])) {
      case 1:
        buffer = extra[i + 1];
        break;
      case 2:
        bytes = *static_cast<const size_t*>(extra[i + 1]);
        break;
      default:
        return cudaErrorInvalidValue;
    }
  }
  if (buffer == nullptr || bytes > params->size()) return cudaErrorInvalidValue;
  std::memcpy(params->data(), buffer, bytes);
  return cudaSuccess;
}

cudaError_t TakeParams(const LaunchRequest& request, const Kernel& kernel,
                       std::vector<std::byte>* params) {
  params->assign(kernel.param_bytes(), std::byte{0});
  if (kernel.params().empty()) return cudaSuccess;
  if (request.args == nullptr) {
    return request.extra == nullptr ? cudaErrorInvalidValue : TakePacked(request.extra, params);
  }
  size_t index = 0;
  for (const Param& param : kernel.params()) {
    const void* value = request.args[index++];
    if (value == nullptr) return cudaErrorInvalidValue;
    std::memcpy(params->data() + param.offset, value, param.size);
  }
  return cudaSuccess;
}

}  // namespace

cudaError_t MakeKernelWork(Runtime& runtime, Device& device, const LaunchRequest& request,
                           KernelWork* work) {
  Function* function = runtime.program.FindFunction(request.function);
  if (function == nullptr) return cudaErrorInvalidDeviceFunction;
  LoadedKernel* loaded = nullptr;
  cudaError_t error = runtime.program.Load(*function, device, &loaded);
  if (error == cudaSuccess) error = CheckShape(request, device, *loaded);
  if (error != cudaSuccess) return error;
  work->device = &device;
  work->function = function;
  work->loaded = loaded;
  work->handle = request.function;
  work->grid = ToDim3(request.grid);
  work->block = ToDim3(request.block);
  work->dynamic_shared_bytes = static_cast<uint32_t>(request.dynamic_shared_bytes);
  work->cooperative = request.cooperative;
  error = TakeAttributes(request, work);
  if (error == cudaSuccess) error = CheckCluster(*loaded, work);
  if (error == cudaSuccess) error = CheckCooperative(*loaded, *work);
  if (error == cudaSuccess) error = TakeParams(request, *loaded->kernel, &work->params);
  return error;
}

}  // namespace emu
