// The C interface: functions of the driver by name.
#include <cuda_runtime_api.h>

#include "emulator/cudart/driver_entries.h"
#include "emulator/cudart/entry.h"

extern "C" {

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function,
                                             unsigned /*version*/, unsigned long long flags,
                                             cudaDriverEntryPointQueryResult* result) {
  if (symbol == nullptr || function == nullptr || flags > cudaEnablePerThreadDefaultStream) {
    return emu::Remember(cudaErrorInvalidValue);
  }
  *function = emu::FindDriverEntry(symbol);
  const bool found = *function != nullptr;
  if (result != nullptr) {
    *result = found ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
    return cudaSuccess;
  }
  return found ? cudaSuccess : emu::Remember(cudaErrorSymbolNotFound);
}

}  // extern "C"
