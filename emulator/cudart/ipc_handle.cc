#include "emulator/cudart/ipc_handle.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

namespace emu {

int OpenIpcFile(const IpcHandle& handle) {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/fd/%d", handle.process, handle.fd);
  const int fd = open(path, O_RDWR | O_CLOEXEC);
  if (fd < 0) return -1;
  uint64_t nonce = 0;
  if (pread(fd, &nonce, sizeof nonce, 0) == sizeof nonce && nonce == handle.nonce) return fd;
  close(fd);
  return -1;
}

}  // namespace emu
