// The C interface: access between devices. All devices of the machine reach each other, as over
// NVLink; every kernel may touch every device's memory, so enabling only keeps the books.
#include <cuda_runtime_api.h>

#include <algorithm>

#include "emulator/cudart/entry.h"

namespace emu {
namespace {

bool IsOrdinal(const Runtime& runtime, int ordinal) {
  return ordinal >= 0 && ordinal < static_cast<int>(runtime.devices.size());
}

}  // namespace
}  // namespace emu

extern "C" {

cudaError_t cudaDeviceCanAccessPeer(int* can_access, int device, int peer) {
  if (can_access == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) -> cudaError_t {
    if (!emu::IsOrdinal(runtime, device) || !emu::IsOrdinal(runtime, peer)) {
      return cudaErrorInvalidDevice;
    }
    *can_access = device != peer;
    return cudaSuccess;
  });
}

cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned flags) {
  return emu::DeviceCall(
      [&](emu::Runtime& runtime, emu::Device& device, emu::Lock&) -> cudaError_t {
        if (flags != 0) return cudaErrorInvalidValue;
        if (!emu::IsOrdinal(runtime, peer) || peer == device.ordinal) return cudaErrorInvalidDevice;
        const bool added = device.peers.insert(peer).second;
        return added ? cudaSuccess : cudaErrorPeerAccessAlreadyEnabled;
      });
}

cudaError_t cudaDeviceDisablePeerAccess(int peer) {
  return emu::DeviceCall(
      [&](emu::Runtime& runtime, emu::Device& device, emu::Lock&) -> cudaError_t {
        if (!emu::IsOrdinal(runtime, peer)) return cudaErrorInvalidDevice;
        return device.peers.erase(peer) != 0 ? cudaSuccess : cudaErrorPeerAccessNotEnabled;
      });
}

cudaError_t cudaDeviceGetP2PAttribute(int* value, cudaDeviceP2PAttr attribute, int source,
                                      int destination) {
  if (value == nullptr) return emu::Remember(cudaErrorInvalidValue);
  return emu::HostCall([&](emu::Runtime& runtime, emu::Lock&) -> cudaError_t {
    if (!emu::IsOrdinal(runtime, source) || !emu::IsOrdinal(runtime, destination) ||
        source == destination) {
      return cudaErrorInvalidDevice;
    }
    switch (attribute) {
      case cudaDevP2PAttrPerformanceRank:
        *value = 0;
        return cudaSuccess;
      case cudaDevP2PAttrAccessSupported:
      case cudaDevP2PAttrNativeAtomicSupported:
        *value = 1;
        return cudaSuccess;
      case cudaDevP2PAttrCudaArrayAccessSupported:
        *value = 0;
        return cudaSuccess;
      default:
        return cudaErrorInvalidValue;
    }
  });
}

}  // extern "C"
