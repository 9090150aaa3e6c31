// Opens while a core has nothing else to do. Work that can wait, but holds locks that others need,
// must not run at the lowest priority itself: it would keep them for as long as the cores are busy.
// So a thread that holds nothing runs at the lowest priority and lets the other one through.
#ifndef SWITCHYARD_KERNELS_CPU_IDLE_GATE_H_
#define SWITCHYARD_KERNELS_CPU_IDLE_GATE_H_

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace switchyard::kernels::cpu {

class IdleGate {
 public:
  IdleGate() : thread_([this] { Run(); }) {}
  ~IdleGate();
  IdleGate(const IdleGate&) = delete;
  IdleGate& operator=(const IdleGate&) = delete;

  // Waits until a core has had nothing else to do for some tenths of a millisecond: what a piece of
  // the work takes. False once the gate is closed. One thread at a time.
  bool Wait();

  // Nobody waits any more. From any thread.
  void Close();

 private:
  void Run();
  void AwaitQuiet() const;

  std::mutex mutex_;
  std::condition_variable changed_;
  bool asked_ = false;
  bool open_ = false;
  std::atomic<bool> closed_ = false;
  std::thread thread_;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_IDLE_GATE_H_
