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
  p->memoryPoolSupportedHandleTypes = cudaMemHandleTypeNone;
  p->ipcEventSupported = 1;
  p->ECCEnabled = 1;
  p->deviceNumaId = -1;
  p->hostNumaId = -1;
}

// Attributes that are a property, and those that are a constant.
struct PropertyRow {
  cudaDeviceAttr attribute;
  int cudaDeviceProp::*member;
};
constexpr PropertyRow kProperties[] = {
    {cudaDevAttrMaxThreadsPerBlock, &cudaDeviceProp::maxThreadsPerBlock},
    {cudaDevAttrWarpSize, &cudaDeviceProp::warpSize},
    {cudaDevAttrMaxRegistersPerBlock, &cudaDeviceProp::regsPerBlock},
    {cudaDevAttrMaxRegistersPerMultiprocessor, &cudaDeviceProp::regsPerMultiprocessor},
    {cudaDevAttrMultiProcessorCount, &cudaDeviceProp::multiProcessorCount},
    {cudaDevAttrConcurrentKernels, &cudaDeviceProp::concurrentKernels},
    {cudaDevAttrMaxThreadsPerMultiProcessor, &cudaDeviceProp::maxThreadsPerMultiProcessor},
    {cudaDevAttrMaxBlocksPerMultiprocessor, &cudaDeviceProp::maxBlocksPerMultiProcessor},
    {cudaDevAttrAsyncEngineCount, &cudaDeviceProp::asyncEngineCount},
    {cudaDevAttrComputeCapabilityMajor, &cudaDeviceProp::major},
    {cudaDevAttrComputeCapabilityMinor, &cudaDeviceProp::minor},
    {cudaDevAttrStreamPrioritiesSupported, &cudaDeviceProp::streamPrioritiesSupported},
    {cudaDevAttrComputePreemptionSupported, &cudaDeviceProp::computePreemptionSupported},
    {cudaDevAttrCooperativeLaunch, &cudaDeviceProp::cooperativeLaunch},
    {cudaDevAttrClusterLaunch, &cudaDeviceProp::clusterLaunch},
    {cudaDevAttrIsMultiGpuBoard, &cudaDeviceProp::isMultiGpuBoard},
    {cudaDevAttrMultiGpuBoardGroupID, &cudaDeviceProp::multiGpuBoardGroupID},
    {cudaDevAttrPciBusId, &cudaDeviceProp::pciBusID},
    {cudaDevAttrPciDeviceId, &cudaDeviceProp::pciDeviceID},
    {cudaDevAttrPciDomainId, &cudaDeviceProp::pciDomainID},
    {cudaDevAttrTccDriver, &cudaDeviceProp::tccDriver},
    {cudaDevAttrMpsEnabled, &cudaDeviceProp::mpsEnabled},
    {cudaDevAttrIntegrated, &cudaDeviceProp::integrated},
    {cudaDevAttrCanMapHostMemory, &cudaDeviceProp::canMapHostMemory},
    {cudaDevAttrEccEnabled, &cudaDeviceProp::ECCEnabled},
    {cudaDevAttrGlobalMemoryBusWidth, &cudaDeviceProp::memoryBusWidth},
    {cudaDevAttrL2CacheSize, &cudaDeviceProp::l2CacheSize},
    {cudaDevAttrMaxPersistingL2CacheSize, &cudaDeviceProp::persistingL2CacheMaxSize},
    {cudaDevAttrMaxAccessPolicyWindowSize, &cudaDeviceProp::accessPolicyMaxWindowSize},
    {cudaDevAttrUnifiedAddressing, &cudaDeviceProp::unifiedAddressing},
    {cudaDevAttrGlobalL1CacheSupported, &cudaDeviceProp::globalL1CacheSupported},
    {cudaDevAttrLocalL1CacheSupported, &cudaDeviceProp::localL1CacheSupported},
    {cudaDevAttrManagedMemory, &cudaDeviceProp::managedMemory},
    {cudaDevAttrHostNativeAtomicSupported, &cudaDeviceProp::hostNativeAtomicSupported},
    {cudaDevAttrPageableMemoryAccess, &cudaDeviceProp::pageableMemoryAccess},
    {cudaDevAttrConcurrentManagedAccess, &cudaDeviceProp::concurrentManagedAccess},
    {cudaDevAttrCanUseHostPointerForRegisteredMem,
     &cudaDeviceProp::canUseHostPointerForRegisteredMem},
    {cudaDevAttrHostRegisterSupported, &cudaDeviceProp::hostRegisterSupported},
    {cudaDevAttrPageableMemoryAccessUsesHostPageTables,
     &cudaDeviceProp::pageableMemoryAccessUsesHostPageTables},
    {cudaDevAttrDirectManagedMemAccessFromHost, &cudaDeviceProp::directManagedMemAccessFromHost},
    {cudaDevAttrHostRegisterReadOnlySupported, &cudaDeviceProp::hostRegisterReadOnlySupported},
    {cudaDevAttrMemoryPoolsSupported, &cudaDeviceProp::memoryPoolsSupported},
    {cudaDevAttrGPUDirectRDMASupported, &cudaDeviceProp::gpuDirectRDMASupported},
    {cudaDevAttrGPUDirectRDMAWritesOrdering, &cudaDeviceProp::gpuDirectRDMAWritesOrdering},
    {cudaDevAttrIpcEventSupport, &cudaDeviceProp::ipcEventSupported},
    {cudaDevAttrNumaConfig, &cudaDeviceProp::deviceNumaConfig},
    {cudaDevAttrNumaId, &cudaDeviceProp::deviceNumaId},
    {cudaDevAttrHostNumaId, &cudaDeviceProp::hostNumaId},
};

struct SizeRow {
  cudaDeviceAttr attribute;
  size_t cudaDeviceProp::*member;
};
constexpr SizeRow kSizes[] = {
    {cudaDevAttrMaxSharedMemoryPerBlock, &cudaDeviceProp::sharedMemPerBlock},
    {cudaDevAttrMaxSharedMemoryPerBlockOptin, &cudaDeviceProp::sharedMemPerBlockOptin},
    {cudaDevAttrMaxSharedMemoryPerMultiprocessor, &cudaDeviceProp::sharedMemPerMultiprocessor},
    {cudaDevAttrReservedSharedMemoryPerBlock, &cudaDeviceProp::reservedSharedMemPerBlock},
    {cudaDevAttrTotalConstantMemory, &cudaDeviceProp::totalConstMem},
    {cudaDevAttrMaxPitch, &cudaDeviceProp::memPitch},
    {cudaDevAttrTextureAlignment, &cudaDeviceProp::textureAlignment},
    {cudaDevAttrTexturePitchAlignment, &cudaDeviceProp::texturePitchAlignment},
};

struct ConstantRow {
  cudaDeviceAttr attribute;
  int value;
};
constexpr ConstantRow kConstants[] = {
    {cudaDevAttrMaxBlockDimX, 1024},
    {cudaDevAttrMaxBlockDimY, 1024},
    {cudaDevAttrMaxBlockDimZ, 64},
    {cudaDevAttrMaxGridDimX, kMaxInt},
    {cudaDevAttrMaxGridDimY, 65535},
    {cudaDevAttrMaxGridDimZ, 65535},
    {cudaDevAttrClockRate, kClockKhz},
    {cudaDevAttrMemoryClockRate, kMemoryClockKhz},
    {cudaDevAttrGpuOverlap, 1},
    {cudaDevAttrKernelExecTimeout, 0},
    {cudaDevAttrComputeMode, cudaComputeModeDefault},
    {cudaDevAttrSingleToDoublePrecisionPerfRatio, 2},
    {cudaDevAttrCanFlushRemoteWrites, 0},
    {cudaDevAttrMemSyncDomainCount, 4},
};

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
  for (const PropertyRow& row : kProperties) {
    if (row.attribute == attribute) return properties.*row.member;
  }
  for (const SizeRow& row : kSizes) {
    if (row.attribute == attribute) return static_cast<int>(properties.*row.member);
  }
  for (const ConstantRow& row : kConstants) {
    if (row.attribute == attribute) return row.value;
  }
  if (IsAbsentFeature(attribute)) return 0;
  return std::nullopt;
}

std::string PciBusId(int physical) {
  char text[16];
  std::snprintf(text, sizeof text, "0000:%02X:00.0", kFirstPciBus + physical);
  return text;
}

}  // namespace emu
