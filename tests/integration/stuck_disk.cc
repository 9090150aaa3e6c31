// A disk that stops to answer, for programs that are started with this library preloaded: reads of
// the file whose name has STUCK_FILE in it wait for ever from byte STUCK_BYTE on.
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

namespace {

bool IsStuck(int fd, off_t offset) {
  const char* const name = std::getenv("STUCK_FILE");
  const char* const byte = std::getenv("STUCK_BYTE");
  if (name == nullptr || byte == nullptr || offset < std::atoll(byte)) return false;
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = readlink(link.c_str(), path, sizeof(path) - 1);
  if (length <= 0) return false;
  path[length] = '\0';
  return std::strstr(path, name) != nullptr;
}

}  // namespace

extern "C" ssize_t pread(int fd, void* to, size_t count, off_t offset) {
  while (IsStuck(fd, offset)) pause();
  return syscall(SYS_pread64, fd, to, count, offset);
}

extern "C" ssize_t pread64(int fd, void* to, size_t count, off_t offset) {
  return pread(fd, to, count, offset);
}
