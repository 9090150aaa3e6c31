// Brings memory before it is used. A page comes at its first touch, and a step that comes upon a
// new huge page in every layer waits for it: some tenths of a millisecond each, and ten in a
// virtual machine whose host has not given the memory yet. So a thread touches ahead while a core
// has nothing else to do. It holds the lock of the process' memory meanwhile, which a step needs
// that maps some: so it runs at the usual priority, behind a gate.
#ifndef SWITCHYARD_KERNELS_CPU_PAGE_WARMER_H_
#define SWITCHYARD_KERNELS_CPU_PAGE_WARMER_H_

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "kernels/cpu/huge_pages.h"
#include "kernels/cpu/idle_gate.h"

namespace switchyard::kernels::cpu {

class PageWarmer {
 public:
  PageWarmer() = default;
  ~PageWarmer();  // leaves what is not warm yet
  PageWarmer(const PageWarmer&) = delete;
  PageWarmer& operator=(const PageWarmer&) = delete;

  // From any thread. Contents stay as they are, and may be read and written meanwhile. What was
  // added first is warm first, each from its beginning on. Memory that is freed before its turn
  // is left alone.
  void Add(const std::shared_ptr<HugePages>& pages);

 private:
  void Run();
  // The next memory to warm, once there is some; nothing at the end.
  std::optional<std::weak_ptr<HugePages>> Next();

  std::mutex mutex_;
  std::condition_variable added_;
  std::deque<std::weak_ptr<HugePages>> waiting_;
  bool ends_ = false;
  // From the first Add on.
  std::unique_ptr<IdleGate> gate_;
  std::thread thread_;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PAGE_WARMER_H_
