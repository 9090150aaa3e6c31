// The C interface: attributes of kernels and occupancy.
#include <cuda_runtime_api.h>

#include <algorithm>

#include "emulator/cudart/entry.h"
#include "emulator/cudart/occupancy.h"

namespace emu {
namespace {

// body(LoadedKernel&) for a kernel on `ordinal`, or on the current device if that is negative.
template <typename Body>
cudaError_t KernelCall(const void* function, int ordinal, Body body) {
  return DeviceCall([&](Runtime& runtime, Device& current, Lock&) -> cudaError_t {
    if (ordinal >= static_cast<int>(runtime.devices.size())) return cudaErrorInvalidDevice;
    Device& device = ordinal < 0 ? current : *runtime.devices[static_cast<size_t>(ordinal)];
    Function* found = runtime.program.FindFunction(function);
    if (found == nullptr) return cudaErrorInvalidDeviceFunction;
    LoadedKernel* kernel = nullptr;
    const cudaError_t error = runtime.program.Load(*found, device, &kernel);
    return error != cudaSuccess ? error : body(*kernel);
  });
}

BlockShape ShapeOf(const LoadedKernel& kernel, int threads, size_t dynamic_shared_bytes) {
  return {.threads = threads,
          .registers_per_thread = kernel.resources.num_registers,
          .static_shared_bytes = kernel.kernel->static_shared_bytes(),
          .dynamic_shared_bytes = dynamic_shared_bytes};
}

// Threads per block that the registers and __launch_bounds__ allow.
int MaxThreads(const LoadedKernel& kernel) {
  int threads = kMaxThreadsPerBlock;
  while (threads > 32 && !RegistersFit(ShapeOf(kernel, threads, 0))) threads -= 32;
  const uint32_t bound = kernel.kernel->max_threads();
  return bound == 0 ? threads : std::min(threads, static_cast<int>(bound));
}

void FillAttributes(const LoadedKernel& kernel, cudaFuncAttributes* attributes) {
  *attributes = {};
  attributes->sharedSizeBytes = kernel.kernel->static_shared_bytes();
  attributes->constSizeBytes = kernel.resources.constant_bytes;
  attributes->localSizeBytes =
      std::max<size_t>(kernel.resources.local_bytes, kernel.kernel->local_bytes());
  attributes->maxThreadsPerBlock = MaxThreads(kernel);
  attributes->numRegs = kernel.resources.num_registers;
  attributes->ptxVersion = 90;
  attributes->binaryVersion = 90;
  attributes->maxDynamicSharedSizeBytes = static_cast<int>(kernel.max_dynamic_shared);
  attributes->preferredShmemCarveout = kernel.carveout;
  const Shape3 required = kernel.kernel->required_cluster();
  attributes->clusterDimMustBeSet = required.x != 0;
  attributes->requiredClusterWidth = static_cast<int>(std::max(required.x, kernel.cluster_x));
  attributes->requiredClusterHeight = static_cast<int>(std::max(required.y, kernel.cluster_y));
  attributes->requiredClusterDepth = static_cast<int>(std::max(required.z, kernel.cluster_z));
  attributes->clusterSchedulingPolicyPreference = kernel.cluster_scheduling;
  attributes->nonPortableClusterSizeAllowed = kernel.non_portable_cluster;
}

cudaError_t SetDynamicShared(LoadedKernel& kernel, int value) {
  const size_t taken = kernel.kernel->static_shared_bytes();
  if (value < 0 || static_cast<size_t>(value) + taken > kMaxSharedPerBlock) {
    return cudaErrorInvalidValue;
  }
  kernel.max_dynamic_shared = static_cast<size_t>(value);
  return cudaSuccess;
}

cudaError_t SetCluster(LoadedKernel& kernel, int value, unsigned LoadedKernel::*side) {
  if (kernel.kernel->required_cluster().x != 0) return cudaErrorNotPermitted;
  if (value < 0 || value > kMaxCluster) return cudaErrorInvalidValue;
  kernel.*side = static_cast<unsigned>(value);
  return cudaSuccess;
}

cudaError_t SetAttribute(LoadedKernel& kernel, cudaFuncAttribute attribute, int value) {
  switch (attribute) {
    case cudaFuncAttributeMaxDynamicSharedMemorySize:
      return SetDynamicShared(kernel, value);
    case cudaFuncAttributePreferredSharedMemoryCarveout:
      if (value < -1 || value > 100) return cudaErrorInvalidValue;
      kernel.carveout = value;
      return cudaSuccess;
    case cudaFuncAttributeNonPortableClusterSizeAllowed:
      kernel.non_portable_cluster = value != 0;
      return cudaSuccess;
    case cudaFuncAttributeClusterSchedulingPolicyPreference:
      kernel.cluster_scheduling = value;
      return cudaSuccess;
    case cudaFuncAttributeRequiredClusterWidth:
      return SetCluster(kernel, value, &LoadedKernel::cluster_x);
    case cudaFuncAttributeRequiredClusterHeight:
      return SetCluster(kernel, value, &LoadedKernel::cluster_y);
    case cudaFuncAttributeRequiredClusterDepth:
      return SetCluster(kernel, value, &LoadedKernel::cluster_z);
    default:
      return cudaErrorInvalidValue;
  }
}

int ThreadsOf(const cudaLaunchConfig_t& config) {
  return static_cast<int>(config.blockDim.x * config.blockDim.y * config.blockDim.z);
}

int ClusterOf(const cudaLaunchConfig_t& config) {
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    const cudaLaunchAttribute& attribute = config.attrs[i];
    if (attribute.id != cudaLaunchAttributeClusterDimension) continue;
    return static_cast<int>(attribute.val.clusterDim.x * attribute.val.clusterDim.y *
                            attribute.val.clusterDim.z);
  }
  return 1;
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, const void* function) {
  if (attributes == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::KernelCall(function, -1, [&](emu::LoadedKernel& kernel) {
    emu::FillAttributes(kernel, attributes);
    return cudaSuccess;
  });
}

cudaError_t cudaFuncSetAttribute(const void* function, cudaFuncAttribute attribute, int value) {
  return emu::KernelCall(function, -1, [&](emu::LoadedKernel& kernel) {
    return emu::SetAttribute(kernel, attribute, value);
  });
}

cudaError_t cudaFuncSetCacheConfig(const void* function, cudaFuncCache /*config*/) {
  return emu::KernelCall(function, -1, [](emu::LoadedKernel&) { return cudaSuccess; });
}

cudaError_t cudaFuncGetName(const char** name, const void* function) {
  if (name == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) -> cudaError_t {
    const emu::Function* found = runtime.program.FindFunction(function);
    if (found == nullptr) return cudaErrorInvalidDeviceFunction;
    *name = found->name.c_str();
    return cudaSuccess;
  });
}

cudaError_t cudaFuncGetParamInfo(const void* function, size_t index, size_t* offset,
                                 size_t* bytes) {
  return emu::KernelCall(function, -1, [&](emu::LoadedKernel& kernel) -> cudaError_t {
    if (offset == nullptr || index >= kernel.kernel->params().size()) return cudaErrorInvalidValue;
    *offset = kernel.kernel->params()[index].offset;
    if (bytes != nullptr) *bytes = kernel.kernel->params()[index].size;
    return cudaSuccess;
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* num_blocks,
                                                                   const void* function,
                                                                   int threads,
                                                                   size_t dynamic_shared_bytes,
                                                                   unsigned /*flags*/) {
  if (num_blocks == nullptr || threads <= 0) return emu::Remember(cudaErrorInvalidValue);
  return emu::KernelCall(function, -1, [&](emu::LoadedKernel& kernel) {
    *num_blocks =
        threads > emu::MaxThreads(kernel)
            ? 0
            : emu::BlocksPerMultiprocessor(emu::ShapeOf(kernel, threads, dynamic_shared_bytes));
    return cudaSuccess;
  });
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(int* num_blocks, const void* function,
                                                          int threads,
                                                          size_t dynamic_shared_bytes) {
  return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(num_blocks, function, threads,
                                                                dynamic_shared_bytes, 0);
}

cudaError_t cudaOccupancyMaxPotentialClusterSize(int* cluster_size, const void* function,
                                                 const cudaLaunchConfig_t* config) {
  if (cluster_size == nullptr || config == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::KernelCall(function, -1, [&](emu::LoadedKernel& kernel) {
    const emu::BlockShape shape =
        emu::ShapeOf(kernel, emu::ThreadsOf(*config), config->dynamicSmemBytes);
    int size = kernel.non_portable_cluster ? emu::kMaxCluster : emu::kMaxPortableCluster;
    while (size > 0 && emu::ActiveClusters(shape, size) == 0) size /= 2;
    *cluster_size = size;
    return cudaSuccess;
  });
}

cudaError_t cudaOccupancyMaxActiveClusters(int* num_clusters, const void* function,
                                           const cudaLaunchConfig_t* config) {
  if (num_clusters == nullptr || config == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::KernelCall(function, -1, [&](emu::LoadedKernel& kernel) -> cudaError_t {
    const int cluster = emu::ClusterOf(*config);
    const int limit = kernel.non_portable_cluster ? emu::kMaxCluster : emu::kMaxPortableCluster;
    if (cluster < 1 || cluster > limit) return cudaErrorInvalidClusterSize;
    *num_clusters = emu::ActiveClusters(
        emu::ShapeOf(kernel, emu::ThreadsOf(*config), config->dynamicSmemBytes), cluster);
    return cudaSuccess;
  });
}

}  // extern "C"
