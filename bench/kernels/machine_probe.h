// What this machine can do right now: the denominators of a benchmark's shares. Probed in the same
// run as what is measured, because other work on the machine changes them.
#ifndef SWITCHYARD_BENCH_KERNELS_MACHINE_PROBE_H_
#define SWITCHYARD_BENCH_KERNELS_MACHINE_PROBE_H_

#include <string>

#include "kernels/cpu/huge_pages.h"
#include "kernels/cpu/thread_pool.h"

namespace switchyard::bench {

struct MachineLimits {
  double read_bytes_per_s = 0;  // linear reads from huge pages, all threads together
  double bf16_flops = 0;        // vdpbf16ps; on a CPU without it, f32_flops
  double f32_flops = 0;  // fused multiply-adds of the widest vectors; 0 on a CPU without AVX2

  std::string ToString() const;
};

// Thread: one that may run regions of the pool.
class MachineProbe {
 public:
  explicit MachineProbe(kernels::cpu::ThreadPool& pool);

  // The fastest of some short trials of each: well under a second.
  MachineLimits Measure() const;
  double ReadBytesPerSecond() const;
  // How fast the system gives memory that was not used before, all threads together: it clears
  // pages, and under a virtual machine the host may have to find them first.
  double NewBytesPerSecond() const;

 private:
  kernels::cpu::ThreadPool& pool_;
  const kernels::cpu::HugePages memory_;  // larger than any cache
};

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_KERNELS_MACHINE_PROBE_H_
