// bench_kernels --backend cuda: every op of the CUDA backend at the shapes of kernels/cases.
#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <string>

#include "bench/kernels/cuda/kernel_bench.h"
#include "bench/kernels/cuda/stages.h"
#include "kernels/cuda/cuda_ops.h"
#include "kernels/cuda/open_device.h"

namespace switchyard::bench {
namespace {

constexpr int kExitUsage = 2, kExitNoDevice = 3;

struct Flags {
  std::string backend = "cuda";
  int device = 0;
  std::string gpu = "auto";
  std::string filter;
  double seconds = 0.2;
  bool brief = false;
  bool stages = false;
};

// Empty: the device could not be asked.
std::string DeviceName(int device) {
  cudaDeviceProp properties{};
  if (cudaGetDeviceProperties(&properties, device) != cudaSuccess) return "";
  return properties.name;
}

std::vector<OpCase> AllCases(Extent extent) {
  std::vector<OpCase> all;
  for (const auto cases : {LinearCases, AttentionCases, GqaCases, RowCases, MoeCases, LogitCases}) {
    for (OpCase& op : cases(extent)) all.push_back(std::move(op));
  }
  return all;
}

int Run(const Flags& flags) {
  const auto device = kernels::cuda::OpenDevice(flags.device);
  if (!device.ok()) {
    fmt::print(stderr, "{}\n", Message(device.status()));
    return kExitNoDevice;
  }
  const std::string name = DeviceName(flags.device);
  const bool emulated = name.find("emulated") != std::string::npos;
  const bool is_h200 =
      flags.gpu == "auto" ? name.find("H200") != std::string::npos : flags.gpu == "H200";
  const KernelBenchOptions options = {
      .peaks = is_h200 ? core::kH200 : core::kH100, .seconds = flags.seconds, .once = emulated};
  fmt::print("{}; bounds of an {}: {:.2f} TB/s, {:.0f} TFLOP/s BF16, {:.0f} FP8\n", name,
             options.peaks.name, options.peaks.memory_bytes_per_s.value / 1e12,
             options.peaks.bf16_flops.value / 1e12, options.peaks.fp8_flops.value / 1e12);
  if (emulated) {
    fmt::print(
        "An emulated device: its times and shares say nothing about a GPU. Brief shapes, "
        "once each.\n");
  }
  const auto ops = kernels::cuda::MakeCudaOps(**device);
  const Extent extent = flags.brief || emulated ? Extent::kBrief : Extent::kServed;
  if (RunKernelBench(*ops, AllCases(extent), flags.filter, options) == 0) {
    fmt::print(stderr, "no op or shape has \"{}\" in its name\n", flags.filter);
    return kExitUsage;
  }
  return 0;
}

int Main(int argc, char** argv) {
  Flags flags;
  CLI::App app("Times the CUDA kernels beside what the GPU can do");
  app.footer(
      "share: the bound, which is what the bytes take at the memory's peak or the arithmetic at "
      "the tensor\ncores', over the time. Exit code 3: there is no device.");
  app.add_option("--backend", flags.backend, "cuda; for CPUs see bench_linear and bench_row_ops")
      ->check(CLI::IsMember({"cuda"}));
  app.add_option("--device", flags.device, "number of the GPU");
  app.add_option("--gpu", flags.gpu, "whose peaks to stand against: auto (by the name), H100, H200")
      ->check(CLI::IsMember({"auto", "H100", "H200"}));
  app.add_option("--filter", flags.filter, "only ops or shapes whose name has this in it");
  app.add_option("--seconds", flags.seconds, "to spend on each line")
      ->check(CLI::Range(0.0, 3600.0));
  app.add_flag("--brief", flags.brief,
               "one small shape for each kernel, as always on the emulator");
  app.add_flag("--stages", flags.stages,
               "only print what pipelined kernels ask of a multiprocessor; needs no device");
  CLI11_PARSE(app, argc, argv);
  if (flags.stages) {
    PrintStages();
    return 0;
  }
  return Run(flags);
}

}  // namespace
}  // namespace switchyard::bench

int main(int argc, char** argv) { return switchyard::bench::Main(argc, argv); }
