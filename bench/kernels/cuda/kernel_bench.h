// Times ops on a GPU, each beside the least time that its bytes and its arithmetic take there.
#ifndef SWITCHYARD_BENCH_KERNELS_CUDA_KERNEL_BENCH_H_
#define SWITCHYARD_BENCH_KERNELS_CUDA_KERNEL_BENCH_H_

#include "bench/kernels/cuda/op_case.h"
#include "coordinator/core/plan/device_figures.h"

namespace switchyard::bench {

struct KernelBenchOptions {
  core::DeviceFigures peaks = core::kH100;
  double seconds = 0.2;  // to spend on each case, beside its preparation
  bool once = false;     // no warm-up, no repetition
};

// Prints a row for each case whose op or shape has `filter` in it. Returns how many there were.
int RunKernelBench(kernels::Ops& ops, const std::vector<OpCase>& cases, const std::string& filter,
                   const KernelBenchOptions& options);

// Seconds that a GPU takes at the least: memory's or arithmetic's, whichever is more.
double BoundSeconds(const OpCase& op, const core::DeviceFigures& peaks);

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_KERNELS_CUDA_KERNEL_BENCH_H_
