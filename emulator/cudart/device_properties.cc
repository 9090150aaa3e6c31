#include "emulator/cudart/device_properties.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>

#include "emulator/cudart/occupancy.h"

namespace emu {
namespace {

constexpr int kMaxInt = std::numeric_limits<int>::max();
constexpr int kFirstPciBus = 0x10;
constexpr int kClockKhz = 1'980'000;
constexpr int kMemoryClockKhz = 2'619'000;

void SetIdentity(int physical, cudaDeviceProp* p) {
  std::snprintf(p->name, sizeof p->name, "Switchyard emulated sm_90a");
  const char uuid[sizeof p->uuid.bytes] = {'s', 'w', 'i', 't', 'c', 'h', 'y', 'a',
                                           'r', 'd', '-', 'e', 'm', 'u', '-'};
  std::memcpy(p->uuid.bytes, uuid, sizeof uuid);
  p->uuid.bytes[sizeof uuid - 1] = static_cast<char>('0' + physical);
  p->major = 9;
  p->minor = 0;
  p->pciBusID = kFirstPciBus + physical;
}

void SetExecution(cudaDeviceProp* p) {
  p->multiProcessorCount = kNumMultiprocessors;
  p->warpSize = 32;
  p->maxThreadsPerBlock = kMaxThreadsPerBlock;
  p->maxThreadsDim[0] = 1024;
  p->maxThreadsDim[1] = 1024;
  p->maxThreadsDim[2] = 64;
  p->maxGridSize[0] = kMaxInt;
  p->maxGridSize[1] = 65535;
  p->maxGridSize[2] = 65535;
  p->maxThreadsPerMultiProcessor = kMaxThreadsPerMultiprocessor;
  p->maxBlocksPerMultiProcessor = kMaxBlocksPerMultiprocessor;
  p->regsPerBlock = kRegistersPerMultiprocessor;
  p->regsPerMultiprocessor = kRegistersPerMultiprocessor;
  p->asyncEngineCount = 3;
  p->concurrentKernels = 1;
  p->streamPrioritiesSupported = 1;
  p->computePreemptionSupported = 1;
  p->cooperativeLaunch = 1;
  p->clusterLaunch = 1;
  p->unifiedFunctionPointers = 1;
}

void SetMemory(size_t memory_bytes, cudaDeviceProp* p) {
  p->totalGlobalMem = memory_bytes;
  p->sharedMemPerBlock = kDefaultSharedPerBlock;
  p->sharedMemPerBlockOptin = kMaxSharedPerBlock;
  p->sharedMemPerMultiprocessor = kSharedPerMultiprocessor;
  p->reservedSharedMemPerBlock = kReservedSharedPerBlock;
  p->memPitch = kMaxInt;
  p->totalConstMem = 65536;
  p->textureAlignment = 512;
  p->texturePitchAlignment = 32;
  p->memoryBusWidth = 5120;
  p->l2CacheSize = 50 << 20;
  p->persistingL2CacheMaxSize = 31'250 << 10;
  p->accessPolicyMaxWindowSize = 128 << 20;
  p->globalL1CacheSupported = 1;
  p->localL1CacheSupported = 1;
  p->canMapHostMemory = 1;
  p->unifiedAddressing = 1;
  p->managedMemory = 1;
  p->concurrentManagedAccess = 1;
  p->canUseHostPointerForRegisteredMem = 1;
  p->hostRegisterSupported = 1;
  p->memoryPoolsSupported = 1;
  p->memoryPoolSupportedHandleTypes = cudaMemHandleTypePosixFileDescriptor;
  p->ipcEventSupported = 1;
  p->ECCEnabled = 1;
  p->deviceNumaId = -1;
  p->hostNumaId = -1;
}

std::optional<int> ExecutionAttribute(const cudaDeviceProp& p, cudaDeviceAttr attribute) {
  switch (attribute) {
    case cudaDevAttrMaxThreadsPerBlock:
      return p.maxThreadsPerBlock;
    case cudaDevAttrMaxBlockDimX:
      return p.maxThreadsDim[0];
    case cudaDevAttrMaxBlockDimY:
      return p.maxThreadsDim[1];
    case cudaDevAttrMaxBlockDimZ:
      return p.maxThreadsDim[2];
    case cudaDevAttrMaxGridDimX:
      return p.maxGridSize[0];
    case cudaDevAttrMaxGridDimY:
      return p.maxGridSize[1];
    case cudaDevAttrMaxGridDimZ:
      return p.maxGridSize[2];
    case cudaDevAttrWarpSize:
      return p.warpSize;
    case cudaDevAttrMaxRegistersPerBlock:
      return p.regsPerBlock;
    case cudaDevAttrMaxRegistersPerMultiprocessor:
      return p.regsPerMultiprocessor;
    case cudaDevAttrClockRate:
      return kClockKhz;
    case cudaDevAttrGpuOverlap:
      return 1;
    case cudaDevAttrMultiProcessorCount:
      return p.multiProcessorCount;
    case cudaDevAttrKernelExecTimeout:
      return 0;
    case cudaDevAttrComputeMode:
      return cudaComputeModeDefault;
    case cudaDevAttrConcurrentKernels:
      return p.concurrentKernels;
    case cudaDevAttrMaxThreadsPerMultiProcessor:
      return p.maxThreadsPerMultiProcessor;
    case cudaDevAttrMaxBlocksPerMultiprocessor:
      return p.maxBlocksPerMultiProcessor;
    case cudaDevAttrAsyncEngineCount:
      return p.asyncEngineCount;
    case cudaDevAttrComputeCapabilityMajor:
      return p.major;
    case cudaDevAttrComputeCapabilityMinor:
      return p.minor;
    case cudaDevAttrStreamPrioritiesSupported:
      return p.streamPrioritiesSupported;
    case cudaDevAttrSingleToDoublePrecisionPerfRatio:
      return 2;
    case cudaDevAttrComputePreemptionSupported:
      return p.computePreemptionSupported;
    case cudaDevAttrCooperativeLaunch:
      return p.cooperativeLaunch;
    case cudaDevAttrClusterLaunch:
      return p.clusterLaunch;
    case cudaDevAttrIsMultiGpuBoard:
      return p.isMultiGpuBoard;
    case cudaDevAttrMultiGpuBoardGroupID:
      return p.multiGpuBoardGroupID;
    case cudaDevAttrPciBusId:
      return p.pciBusID;
    case cudaDevAttrPciDeviceId:
      return p.pciDeviceID;
    case cudaDevAttrPciDomainId:
      return p.pciDomainID;
    case cudaDevAttrTccDriver:
      return p.tccDriver;
    case cudaDevAttrMpsEnabled:
      return p.mpsEnabled;
    case cudaDevAttrMemSyncDomainCount:
      return 4;
    default:
      return std::nullopt;
  }
}

std::optional<int> MemoryAttribute(const cudaDeviceProp& p, cudaDeviceAttr attribute) {
  switch (attribute) {
    case cudaDevAttrMaxSharedMemoryPerBlock:
      return static_cast<int>(p.sharedMemPerBlock);
    case cudaDevAttrMaxSharedMemoryPerBlockOptin:
      return static_cast<int>(p.sharedMemPerBlockOptin);
    case cudaDevAttrMaxSharedMemoryPerMultiprocessor:
      return static_cast<int>(p.sharedMemPerMultiprocessor);
    case cudaDevAttrReservedSharedMemoryPerBlock:
      return static_cast<int>(p.reservedSharedMemPerBlock);
    case cudaDevAttrTotalConstantMemory:
      return static_cast<int>(p.totalConstMem);
    case cudaDevAttrMaxPitch:
      return static_cast<int>(p.memPitch);
    case cudaDevAttrTextureAlignment:
      return static_cast<int>(p.textureAlignment);
    case cudaDevAttrTexturePitchAlignment:
      return static_cast<int>(p.texturePitchAlignment);
    case cudaDevAttrIntegrated:
      return p.integrated;
    case cudaDevAttrCanMapHostMemory:
      return p.canMapHostMemory;
    case cudaDevAttrEccEnabled:
      return p.ECCEnabled;
    case cudaDevAttrMemoryClockRate:
      return kMemoryClockKhz;
    case cudaDevAttrGlobalMemoryBusWidth:
      return p.memoryBusWidth;
    case cudaDevAttrL2CacheSize:
      return p.l2CacheSize;
    case cudaDevAttrMaxPersistingL2CacheSize:
      return p.persistingL2CacheMaxSize;
    case cudaDevAttrMaxAccessPolicyWindowSize:
      return p.accessPolicyMaxWindowSize;
    case cudaDevAttrUnifiedAddressing:
      return p.unifiedAddressing;
    case cudaDevAttrGlobalL1CacheSupported:
      return p.globalL1CacheSupported;
    case cudaDevAttrLocalL1CacheSupported:
      return p.localL1CacheSupported;
    case cudaDevAttrManagedMemory:
      return p.managedMemory;
    case cudaDevAttrHostNativeAtomicSupported:
      return p.hostNativeAtomicSupported;
    case cudaDevAttrPageableMemoryAccess:
      return p.pageableMemoryAccess;
    case cudaDevAttrConcurrentManagedAccess:
      return p.concurrentManagedAccess;
    case cudaDevAttrCanUseHostPointerForRegisteredMem:
      return p.canUseHostPointerForRegisteredMem;
    case cudaDevAttrCanFlushRemoteWrites:
      return 0;
    case cudaDevAttrHostRegisterSupported:
      return p.hostRegisterSupported;
    case cudaDevAttrPageableMemoryAccessUsesHostPageTables:
      return 0;
    case cudaDevAttrDirectManagedMemAccessFromHost:
      return p.directManagedMemAccessFromHost;
    case cudaDevAttrHostRegisterReadOnlySupported:
      return p.hostRegisterReadOnlySupported;
    case cudaDevAttrMemoryPoolsSupported:
      return p.memoryPoolsSupported;
    case cudaDevAttrMemoryPoolSupportedHandleTypes:
      return static_cast<int>(p.memoryPoolSupportedHandleTypes);
    case cudaDevAttrGPUDirectRDMASupported:
      return p.gpuDirectRDMASupported;
    case cudaDevAttrGPUDirectRDMAFlushWritesOptions:
      return static_cast<int>(p.gpuDirectRDMAFlushWritesOptions);
    case cudaDevAttrGPUDirectRDMAWritesOrdering:
      return p.gpuDirectRDMAWritesOrdering;
    case cudaDevAttrIpcEventSupport:
      return p.ipcEventSupported;
    case cudaDevAttrNumaConfig:
      return p.deviceNumaConfig;
    case cudaDevAttrNumaId:
      return p.deviceNumaId;
    case cudaDevAttrHostNumaId:
      return p.hostNumaId;
    default:
      return std::nullopt;
  }
}

// Attributes of what this device has not: textures, surfaces, other vendors' interoperation.
bool IsAbsentFeature(cudaDeviceAttr attribute) {
  return (attribute >= cudaDevAttrMaxTexture1DWidth &&
          attribute <= cudaDevAttrMaxTexture1DMipmappedWidth) ||
         (attribute >= cudaDevAttrSparseCudaArraySupported &&
          attribute <= cudaDevAttrOnlyPartialHostNativeAtomicSupported);
}

}  // namespace

cudaDeviceProp MakeProperties(int physical, size_t memory_bytes) {
  cudaDeviceProp properties;
  std::memset(&properties, 0, sizeof properties);
  SetIdentity(physical, &properties);
  SetExecution(&properties);
  SetMemory(memory_bytes, &properties);
  return properties;
}

std::optional<int> AttributeOf(const cudaDeviceProp& properties, cudaDeviceAttr attribute) {
  if (const auto value = ExecutionAttribute(properties, attribute)) return value;
  if (const auto value = MemoryAttribute(properties, attribute)) return value;
  if (IsAbsentFeature(attribute)) return 0;
  return std::nullopt;
}

std::string PciBusId(int physical) {
  char text[16];
  std::snprintf(text, sizeof text, "0000:%02X:00.0", kFirstPciBus + physical);
  return text;
}

}  // namespace emu
