// A disk that stops to answer, for programs that are started with this library preloaded: reads of
// the file whose name has STUCK_FILE in it, and of what is mapped of it, wait for ever from byte
// STUCK_BYTE on.
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

namespace {

const char* const kName = std::getenv("STUCK_FILE");
const char* const kByte = std::getenv("STUCK_BYTE");

bool IsStuck(int fd, off_t offset) {
  if (kName == nullptr || kByte == nullptr || offset < std::atoll(kByte)) return false;
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t length = readlink(link.c_str(), path, sizeof(path) - 1);
  if (length <= 0) return false;
  path[length] = '\0';
  return std::strstr(path, kName) != nullptr;
}

bool IsStuckAt(uintptr_t address) {
  if (kName == nullptr || kByte == nullptr) return false;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    unsigned long begin = 0, end = 0, offset = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx %*s %lx", &begin, &end, &offset) != 3) continue;
    if (address < begin || address >= end) continue;
    return line.find(kName) != std::string::npos &&
           static_cast<long long>(offset + address - begin) >= std::atoll(kByte);
  }
  return false;
}

}  // namespace

extern "C" ssize_t pread(int fd, void* to, size_t count, off_t offset) {
  while (IsStuck(fd, offset)) pause();
  return syscall(SYS_pread64, fd, to, count, offset);
}

extern "C" ssize_t pread64(int fd, void* to, size_t count, off_t offset) {
  return pread(fd, to, count, offset);
}

// The system is asked so for pages of a mapped file.
extern "C" int madvise(void* address, size_t length, int advice) {
  constexpr int kPopulateRead = 22;
  while (advice == kPopulateRead && IsStuckAt(reinterpret_cast<uintptr_t>(address))) pause();
  return static_cast<int>(syscall(SYS_madvise, address, length, advice));
}
