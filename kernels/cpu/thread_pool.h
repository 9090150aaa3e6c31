// The CPU backend's threads: a fixed set, optionally pinned, that runs one parallel region at a
// time. The caller is thread 0. Between regions threads spin for some microseconds, then park on a
// futex, so that an idle or crowded machine is not burned. On a crowded machine a thread may get a
// core only when others have done its work: nobody waits for it.
#ifndef SWITCHYARD_KERNELS_CPU_THREAD_POOL_H_
#define SWITCHYARD_KERNELS_CPU_THREAD_POOL_H_

#include <cstdint>
#include <memory>
#include <type_traits>

namespace switchyard::kernels::cpu {

class ThreadPool {
 public:
  struct Options {
    int num_threads = 1;  // with the caller
    int first_cpu = -1;   // see CpuBackendOptions
    int spin_us = 50;     // how long a thread spins before it parks
  };
  explicit ThreadPool(const Options& options);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const;

  // Runs body(thread) on the caller, thread 0, and on those of the others, thread < num_threads(),
  // that come before the caller is through; returns when all who began are done. So the body takes
  // its work from a counter until there is none. A thread may run it twice. Not reentrant.
  template <typename Body>
  void Run(Body&& body) {
    auto call = [](void* context, int thread) {
      (*static_cast<std::remove_reference_t<Body>*>(context))(thread);
    };
    RunErased(call, &body);
  }

  // Runs body(index) for every index in [0, count): threads take runs of `grain` indices from a
  // shared counter.
  template <typename Body>
  void ForEach(int64_t count, int64_t grain, Body&& body) {
    if (count <= grain || num_threads() == 1) {
      for (int64_t i = 0; i < count; ++i) body(i);
      return;
    }
    ResetCounter();
    Run([&](int) {
      for (int64_t begin = Take(grain); begin < count; begin = Take(grain)) {
        const int64_t end = begin + grain < count ? begin + grain : count;
        for (int64_t i = begin; i < end; ++i) body(i);
      }
    });
  }

  // The shared counter of a region that hands out its own tasks: reset before Run, take inside.
  void ResetCounter();
  int64_t Take(int64_t grain);

 private:
  using Call = void (*)(void* context, int thread);
  void RunErased(Call call, void* context);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_THREAD_POOL_H_
