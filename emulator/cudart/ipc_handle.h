// The 64 bytes of an IPC handle: which process holds the memory, under which descriptor, which part
// of it. A process opens another's descriptor through /proc, so nothing is left behind by a crash.
//
// Plain data between processes of one machine and one user. Thread: any.
#ifndef SWITCHYARD_EMULATOR_CUDART_IPC_HANDLE_H_
#define SWITCHYARD_EMULATOR_CUDART_IPC_HANDLE_H_

#include <cstddef>
#include <cstdint>

namespace emu {

struct IpcHandle {
  static constexpr uint32_t kMemory = 0x6d656d31;
  static constexpr uint32_t kEvent = 0x65767431;

  uint32_t kind = 0;
  int32_t process = 0;
  int32_t fd = 0;
  int32_t device = 0;   // physical
  uint64_t nonce = 0;   // stands at the file's start: the descriptor was not reused
  uint64_t offset = 0;  // bytes
  uint64_t bytes = 0;
  uint64_t unused[3] = {};
};
static_assert(sizeof(IpcHandle) == 64);

// A descriptor of the file that the handle names; -1: the process is gone or the file is another.
int OpenIpcFile(const IpcHandle& handle);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_IPC_HANDLE_H_
