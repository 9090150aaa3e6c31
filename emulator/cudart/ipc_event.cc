#include "emulator/cudart/ipc_event.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstring>

#include "emulator/cudart/ipc_handle.h"

namespace emu {

struct IpcEvent::Page {
  uint64_t nonce;
  std::atomic<uint32_t> recorded;
  std::atomic<uint32_t> complete;
};

namespace {

constexpr size_t kPageBytes = 4096;
static_assert(std::atomic<uint32_t>::is_always_lock_free);

// Numbers wrap around; what is less than half the range ahead is later.
bool Reached(uint32_t complete, uint32_t number) {
  return static_cast<int32_t>(complete - number) >= 0;
}

void* MapPage(int fd) {
  void* page = mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  return page == MAP_FAILED ? nullptr : page;
}

}  // namespace

std::shared_ptr<IpcEvent> IpcEvent::Create() {
  const int fd = memfd_create("switchyard-event", MFD_CLOEXEC);
  if (fd < 0) return nullptr;
  uint64_t nonce = 0;
  void* page = nullptr;
  if (ftruncate(fd, kPageBytes) == 0 && getrandom(&nonce, sizeof nonce, 0) == sizeof nonce) {
    page = MapPage(fd);
  }
  if (page == nullptr) {
    close(fd);
    return nullptr;
  }
  static_cast<Page*>(page)->nonce = nonce;
  return std::shared_ptr<IpcEvent>(new IpcEvent(fd, static_cast<Page*>(page)));
}

std::shared_ptr<IpcEvent> IpcEvent::Import(const char (&handle)[64]) {
  IpcHandle parts;
  std::memcpy(&parts, handle, sizeof parts);
  if (parts.kind != IpcHandle::kEvent) return nullptr;
  const int fd = OpenIpcFile(parts);
  if (fd < 0) return nullptr;
  void* page = MapPage(fd);
  if (page == nullptr) {
    close(fd);
    return nullptr;
  }
  return std::shared_ptr<IpcEvent>(new IpcEvent(fd, static_cast<Page*>(page)));
}

IpcEvent::~IpcEvent() {
  munmap(page_, kPageBytes);
  close(fd_);
}

void IpcEvent::ExportTo(char (*handle)[64]) const {
  const IpcHandle parts = {
      .kind = IpcHandle::kEvent, .process = getpid(), .fd = fd_, .nonce = page_->nonce};
  std::memcpy(handle, &parts, sizeof parts);
}

uint32_t IpcEvent::Record() { return page_->recorded.fetch_add(1) + 1; }

void IpcEvent::Complete(uint32_t number) {
  uint32_t seen = page_->complete.load();
  while (!Reached(seen, number) && !page_->complete.compare_exchange_weak(seen, number)) {
  }
  syscall(SYS_futex, &page_->complete, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

uint32_t IpcEvent::last_recorded() const { return page_->recorded.load(); }

bool IpcEvent::IsComplete(uint32_t number) const { return Reached(page_->complete.load(), number); }

void IpcEvent::WaitFor(uint32_t number) const {
  for (;;) {
    const uint32_t seen = page_->complete.load();
    if (Reached(seen, number)) return;
    syscall(SYS_futex, &page_->complete, FUTEX_WAIT, seen, nullptr, nullptr, 0);
  }
}

}  // namespace emu
