#include "emulator/cudart/error_text.h"

#include <algorithm>
#include <iterator>

namespace emu {
namespace {

struct Row {
  cudaError_t code;
  const char* name;
  const char* description;
};
#define ROW(code, description) \
  { code, #code, description }

// In the order of the codes.
constexpr Row kRows[] = {
    ROW(cudaSuccess, "no error"),
    ROW(cudaErrorInvalidValue, "invalid argument"),
    ROW(cudaErrorMemoryAllocation, "out of memory"),
    ROW(cudaErrorInitializationError, "the device could not be initialised"),
    ROW(cudaErrorCudartUnloading, "the runtime is being unloaded"),
    ROW(cudaErrorProfilerDisabled, "profiling is off"),
    ROW(cudaErrorProfilerNotInitialized, "the profiler was not initialised"),
    ROW(cudaErrorProfilerAlreadyStarted, "the profiler already runs"),
    ROW(cudaErrorProfilerAlreadyStopped, "the profiler is already stopped"),
    ROW(cudaErrorInvalidConfiguration, "grid, block or launch attributes are outside the limits"),
    ROW(cudaErrorInvalidPitchValue, "invalid pitch"),
    ROW(cudaErrorInvalidSymbol, "no such device symbol"),
    ROW(cudaErrorInvalidHostPointer, "invalid host pointer"),
    ROW(cudaErrorInvalidDevicePointer, "invalid device pointer"),
    ROW(cudaErrorInvalidTexture, "invalid texture"),
    ROW(cudaErrorInvalidTextureBinding, "invalid texture binding"),
    ROW(cudaErrorInvalidChannelDescriptor, "invalid channel descriptor"),
    ROW(cudaErrorInvalidMemcpyDirection, "invalid direction of a copy"),
    ROW(cudaErrorAddressOfConstant, "the address of a constant was taken"),
    ROW(cudaErrorTextureFetchFailed, "a texture fetch failed"),
    ROW(cudaErrorTextureNotBound, "the texture is not bound"),
    ROW(cudaErrorSynchronizationError, "a synchronisation failed"),
    ROW(cudaErrorInvalidFilterSetting, "invalid filter mode"),
    ROW(cudaErrorInvalidNormSetting, "invalid read mode"),
    ROW(cudaErrorMixedDeviceExecution, "device and emulated code were mixed"),
    ROW(cudaErrorNotYetImplemented, "not yet implemented"),
    ROW(cudaErrorMemoryValueTooLarge, "the memory value is too large"),
    ROW(cudaErrorStubLibrary, "the driver found is only a stub"),
    ROW(cudaErrorInsufficientDriver, "the driver is older than the runtime"),
    ROW(cudaErrorCallRequiresNewerDriver, "the call needs a newer driver"),
    ROW(cudaErrorInvalidSurface, "invalid surface"),
    ROW(cudaErrorDuplicateVariableName, "two global variables have one name"),
    ROW(cudaErrorDuplicateTextureName, "two textures have one name"),
    ROW(cudaErrorDuplicateSurfaceName, "two surfaces have one name"),
    ROW(cudaErrorDevicesUnavailable, "all devices are busy or unavailable"),
    ROW(cudaErrorIncompatibleDriverContext, "the current driver context does not fit"),
    ROW(cudaErrorMissingConfiguration, "a kernel was called without a launch configuration"),
    ROW(cudaErrorPriorLaunchFailure, "an earlier launch failed"),
    ROW(cudaErrorLaunchMaxDepthExceeded, "launches from the device are nested too deeply"),
    ROW(cudaErrorLaunchFileScopedTex, "a child grid uses a file-scoped texture"),
    ROW(cudaErrorLaunchFileScopedSurf, "a child grid uses a file-scoped surface"),
    ROW(cudaErrorSyncDepthExceeded, "the device synchronises too deeply"),
    ROW(cudaErrorLaunchPendingCountExceeded, "too many launches are pending on the device"),
    ROW(cudaErrorInvalidDeviceFunction, "invalid device function"),
    ROW(cudaErrorNoDevice, "there is no device"),
    ROW(cudaErrorInvalidDevice, "invalid device number"),
    ROW(cudaErrorDeviceNotLicensed, "the device has no licence"),
    ROW(cudaErrorSoftwareValidityNotEstablished, "the software's validity is not established"),
    ROW(cudaErrorStartupFailure, "the runtime failed to start"),
    ROW(cudaErrorInvalidKernelImage, "the device code is damaged"),
    ROW(cudaErrorDeviceUninitialized, "invalid device context"),
    ROW(cudaErrorMapBufferObjectFailed, "a buffer could not be mapped"),
    ROW(cudaErrorUnmapBufferObjectFailed, "a buffer could not be unmapped"),
    ROW(cudaErrorArrayIsMapped, "the array is mapped"),
    ROW(cudaErrorAlreadyMapped, "the resource is already mapped"),
    ROW(cudaErrorNoKernelImageForDevice, "no device code for this device is embedded"),
    ROW(cudaErrorAlreadyAcquired, "the resource is already acquired"),
    ROW(cudaErrorNotMapped, "the resource is not mapped"),
    ROW(cudaErrorNotMappedAsArray, "the resource is not mapped as an array"),
    ROW(cudaErrorNotMappedAsPointer, "the resource is not mapped as a pointer"),
    ROW(cudaErrorECCUncorrectable, "uncorrectable memory error"),
    ROW(cudaErrorUnsupportedLimit, "the device has no such limit"),
    ROW(cudaErrorDeviceAlreadyInUse, "another thread has the device exclusively"),
    ROW(cudaErrorPeerAccessUnsupported, "the devices cannot access each other"),
    ROW(cudaErrorInvalidPtx, "the PTX does not parse"),
    ROW(cudaErrorInvalidGraphicsContext, "invalid graphics context"),
    ROW(cudaErrorNvlinkUncorrectable, "uncorrectable NVLink error"),
    ROW(cudaErrorJitCompilerNotFound, "the PTX compiler was not found"),
    ROW(cudaErrorUnsupportedPtxVersion, "unsupported version of PTX"),
    ROW(cudaErrorJitCompilationDisabled, "PTX compilation is off"),
    ROW(cudaErrorUnsupportedExecAffinity, "unsupported execution affinity"),
    ROW(cudaErrorUnsupportedDevSideSync, "the code synchronises on the device"),
    ROW(cudaErrorContained, "a contained memory error"),
    ROW(cudaErrorInvalidSource, "invalid device source"),
    ROW(cudaErrorFileNotFound, "file not found"),
    ROW(cudaErrorSharedObjectSymbolNotFound, "a shared object's symbol was not found"),
    ROW(cudaErrorSharedObjectInitFailed, "a shared object failed to initialise"),
    ROW(cudaErrorOperatingSystem, "a call of the operating system failed"),
    ROW(cudaErrorInvalidResourceHandle, "invalid resource handle"),
    ROW(cudaErrorIllegalState, "the resource is not in a state that allows this"),
    ROW(cudaErrorLossyQuery, "the query would lose information"),
    ROW(cudaErrorSymbolNotFound, "the symbol was not found"),
    ROW(cudaErrorNotReady, "work is not finished yet"),
    ROW(cudaErrorIllegalAddress, "a kernel accessed memory that is not allocated"),
    ROW(cudaErrorLaunchOutOfResources, "the launch asks for too many resources"),
    ROW(cudaErrorLaunchTimeout, "a kernel did not end"),
    ROW(cudaErrorLaunchIncompatibleTexturing, "the launch's texturing mode does not fit"),
    ROW(cudaErrorPeerAccessAlreadyEnabled, "access to the peer is already enabled"),
    ROW(cudaErrorPeerAccessNotEnabled, "access to the peer is not enabled"),
    ROW(cudaErrorSetOnActiveProcess, "not possible once the device is in use"),
    ROW(cudaErrorContextIsDestroyed, "the context is destroyed"),
    ROW(cudaErrorAssert, "an assertion of device code failed"),
    ROW(cudaErrorTooManyPeers, "too many peers"),
    ROW(cudaErrorHostMemoryAlreadyRegistered, "the host memory is already registered"),
    ROW(cudaErrorHostMemoryNotRegistered, "the host memory is not registered"),
    ROW(cudaErrorHardwareStackError, "error of the device's stack"),
    ROW(cudaErrorIllegalInstruction, "illegal instruction"),
    ROW(cudaErrorMisalignedAddress, "misaligned address"),
    ROW(cudaErrorInvalidAddressSpace, "an instruction met an address of another space"),
    ROW(cudaErrorInvalidPc, "invalid program counter"),
    ROW(cudaErrorLaunchFailure, "a kernel failed"),
    ROW(cudaErrorCooperativeLaunchTooLarge, "the blocks of a cooperative launch are too many"),
    ROW(cudaErrorTensorMemoryLeak, "tensor memory was not freed"),
    ROW(cudaErrorNotPermitted, "not permitted"),
    ROW(cudaErrorNotSupported, "not supported"),
    ROW(cudaErrorSystemNotReady, "the system is not ready"),
    ROW(cudaErrorSystemDriverMismatch, "drivers do not fit each other"),
    ROW(cudaErrorCompatNotSupportedOnDevice, "no forward compatibility on this device"),
    ROW(cudaErrorMpsConnectionFailed, "no connection to the MPS server"),
    ROW(cudaErrorMpsRpcFailure, "a call to the MPS server failed"),
    ROW(cudaErrorMpsServerNotReady, "the MPS server is not ready"),
    ROW(cudaErrorMpsMaxClientsReached, "the MPS server has no room for clients"),
    ROW(cudaErrorMpsMaxConnectionsReached, "the MPS server has no room for connections"),
    ROW(cudaErrorMpsClientTerminated, "the MPS server ended this client"),
    ROW(cudaErrorCdpNotSupported, "launches from the device are not supported"),
    ROW(cudaErrorCdpVersionMismatch, "versions of device-side launching are mixed"),
    ROW(cudaErrorStreamCaptureUnsupported, "not permitted while a stream captures"),
    ROW(cudaErrorStreamCaptureInvalidated, "an earlier error invalidated the capture"),
    ROW(cudaErrorStreamCaptureMerge, "the call would merge two captures"),
    ROW(cudaErrorStreamCaptureUnmatched, "the capture did not begin in this stream"),
    ROW(cudaErrorStreamCaptureUnjoined, "the capture has work not joined to its first stream"),
    ROW(cudaErrorStreamCaptureIsolation, "a dependency would cross the capture's border"),
    ROW(cudaErrorStreamCaptureImplicit, "the legacy stream would depend on a capturing stream"),
    ROW(cudaErrorCapturedEvent, "not permitted for an event recorded in a capture"),
    ROW(cudaErrorStreamCaptureWrongThread, "the capture began in another thread"),
    ROW(cudaErrorTimeout, "a wait timed out"),
    ROW(cudaErrorGraphExecUpdateFailure, "the graph differs too much for an update"),
    ROW(cudaErrorExternalDevice, "a device outside CUDA failed"),
    ROW(cudaErrorInvalidClusterSize, "invalid cluster size"),
    ROW(cudaErrorFunctionNotLoaded, "the function is not loaded"),
    ROW(cudaErrorInvalidResourceType, "invalid type of resource"),
    ROW(cudaErrorInvalidResourceConfiguration, "invalid configuration of a resource"),
    ROW(cudaErrorUnknown, "unknown error"),
    ROW(cudaErrorApiFailureBase, "base of old driver failures"),
};
#undef ROW

const Row* Find(cudaError_t code) {
  const auto row = std::lower_bound(std::begin(kRows), std::end(kRows), code,
                                    [](const Row& r, cudaError_t c) { return r.code < c; });
  return row != std::end(kRows) && row->code == code ? row : nullptr;
}

constexpr const char* kUnknownCode = "unrecognized error code";

}  // namespace

const char* ErrorName(cudaError_t error) {
  const Row* row = Find(error);
  return row == nullptr ? kUnknownCode : row->name;
}

const char* ErrorDescription(cudaError_t error) {
  const Row* row = Find(error);
  return row == nullptr ? kUnknownCode : row->description;
}

}  // namespace emu
