// Which bytes of global memory were ever written: a shadow byte for each, for the ranges that ask
// for one. The runtime shadows fresh device memory (option initcheck) and says what the host
// writes; InitObserver says what kernels write, and asks before they load. Memory without a shadow
// counts as written (host memory, variables, memory of other processes).
//
// Process-wide; any thread. A shadow costs as much memory as it covers, as far as it is written.
#ifndef SWITCHYARD_EMULATOR_PTX_SHADOW_MEMORY_H_
#define SWITCHYARD_EMULATOR_PTX_SHADOW_MEMORY_H_

#include <cstddef>
#include <cstdint>

namespace emu {

// From now on [base, base + bytes) counts as never written. UnregisterMemory ends it, or this with
// the same base.
void ShadowMemory(void* base, size_t bytes);
void UnshadowMemory(void* base);

// [at, at + bytes) is written. Parts outside every shadow are ignored.
void MarkWritten(const void* at, size_t bytes);
// Copies what is known of [from, ...) to [to, ...): a device-to-device copy is no use of the value.
void CopyWritten(const void* to, const void* from, size_t bytes);
// Whether a byte of [address, address + bytes) was never written; *first is the first of them.
bool FindUnwritten(uint64_t address, uint64_t bytes, uint64_t* first);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_PTX_SHADOW_MEMORY_H_
