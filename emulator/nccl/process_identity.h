// Who a process is, so that another can tell later whether it still lives: its id alone may be
// given again, and an ended process keeps its id until its parent has fetched the exit status.
#ifndef SWITCHYARD_EMULATOR_NCCL_PROCESS_IDENTITY_H_
#define SWITCHYARD_EMULATOR_NCCL_PROCESS_IDENTITY_H_

#include <cstdint>

namespace emu {

struct ProcessIdentity {
  int32_t pid = 0;
  uint64_t start_ticks = 0;  // since the machine's start; 0 where it could not be read
};

ProcessIdentity ThisProcess();

// Whether the process runs: neither gone, nor a zombie, nor another with the same id.
bool IsAlive(const ProcessIdentity& process);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_NCCL_PROCESS_IDENTITY_H_
