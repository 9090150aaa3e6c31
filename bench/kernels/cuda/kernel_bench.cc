#include "bench/kernels/cuda/kernel_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

namespace switchyard::bench {
namespace {

// Calls are issued together and awaited once, so that launches overlap with computing.
double SecondsOf(kernels::Device& device, const std::function<void()>& call, int count) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < count; ++i) call();
  device.Synchronize();
  const std::chrono::duration<double> taken = std::chrono::steady_clock::now() - begin;
  return taken.count() / count;
}

// Of one call: the median of five runs that fill options.seconds.
double Measure(kernels::Device& device, const std::function<void()>& call,
               const KernelBenchOptions& options) {
  if (options.once) return SecondsOf(device, call, 1);
  constexpr int kWarmUp = 10, kRuns = 5, kMostCalls = 20000;
  SecondsOf(device, call, kWarmUp);
  const double estimate = std::max(SecondsOf(device, call, kWarmUp), 1e-7);
  const double wanted = options.seconds / kRuns / estimate;
  const int count = std::max(1, static_cast<int>(std::min<double>(wanted, kMostCalls)));
  std::vector<double> runs;
  for (int i = 0; i < kRuns; ++i) runs.push_back(SecondsOf(device, call, count));
  std::nth_element(runs.begin(), runs.begin() + kRuns / 2, runs.end());
  return runs[kRuns / 2];
}

}  // namespace

double BoundSeconds(const OpCase& op, const core::DeviceFigures& peaks) {
  const double memory = op.cost.bytes / peaks.memory_bytes_per_s.value;
  if (op.arithmetic == Arithmetic::kNone) return memory;
  const core::Figure& flops =
      op.arithmetic == Arithmetic::kFp8 ? peaks.fp8_flops : peaks.bf16_flops;
  return std::max(memory, op.cost.flops / flops.value);
}

int RunKernelBench(kernels::Ops& ops, const std::vector<OpCase>& cases, const std::string& filter,
                   const KernelBenchOptions& options) {
  fmt::print("{:<17}{:<48}{:>10}{:>10}{:>10}{:>11}{:>8}\n", "op", "shape", "ms", "MB", "GFLOP",
             "bound ms", "share");
  int count = 0;
  for (const OpCase& op : cases) {
    if (op.op.find(filter) == std::string::npos && op.shape.find(filter) == std::string::npos) {
      continue;
    }
    const double seconds = Measure(ops.device(), op.prepare(ops), options);
    const double bound = BoundSeconds(op, options.peaks);
    fmt::print("{:<17}{:<48}{:>10.4f}{:>10.3f}{:>10.3f}{:>11.5f}{:>7.1f}%\n", op.op, op.shape,
               seconds * 1e3, op.cost.bytes / 1e6, op.cost.flops / 1e9, bound * 1e3,
               100 * bound / seconds);
    std::fflush(stdout);
    ++count;
  }
  return count;
}

}  // namespace switchyard::bench
