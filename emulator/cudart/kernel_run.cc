#include "emulator/cudart/kernel_run.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "emulator/cudart/settings.h"
#include "emulator/cudart/work.h"
#include "emulator/ptx/counters.h"
#include "emulator/ptx/fault.h"
#include "emulator/ptx/launch.h"

namespace emu {
namespace {

struct Row {
  FaultKind kind;
  cudaError_t error;
};
constexpr Row kErrors[] = {
    {FaultKind::kIllegalAddress, cudaErrorIllegalAddress},
    {FaultKind::kUseAfterFree, cudaErrorIllegalAddress},
    {FaultKind::kMisaligned, cudaErrorMisalignedAddress},
    {FaultKind::kUninitialised, cudaErrorLaunchFailure},
    {FaultKind::kRace, cudaErrorLaunchFailure},
    {FaultKind::kDeadlock, cudaErrorLaunchTimeout},
    {FaultKind::kAssert, cudaErrorAssert},
    {FaultKind::kIllegalOperation, cudaErrorIllegalInstruction},
};

// Each process of a job has its own file: "%p" in the name becomes the process's number.
std::string CountersPath(const std::string& pattern) {
  const size_t mark = pattern.find("%p");
  if (mark == std::string::npos) return pattern;
  return pattern.substr(0, mark) + std::to_string(getpid()) + pattern.substr(mark + 2);
}

void WriteCounters();

// Of all launches of the process. Never destroyed: helper threads may still launch at exit.
Counters& ProcessCounters() {
  static auto* const counters = [] {
    std::atexit(WriteCounters);
    return new Counters();
  }();
  return *counters;
}

void WriteCounters() {
  const std::string json = ProcessCounters().Json();
  const std::string& pattern = ProcessSettings()->counters_file;
  std::FILE* file = pattern.empty() ? stderr : std::fopen(CountersPath(pattern).c_str(), "w");
  if (file == nullptr) {
    std::fprintf(stderr, "switchyard emulator: cannot write %s\n", pattern.c_str());
    return;
  }
  std::fwrite(json.data(), 1, json.size(), file);
  if (json.empty() || json.back() != '\n') std::fputc('\n', file);
  if (file != stderr) std::fclose(file);
}

}  // namespace

cudaError_t ErrorOfFault(std::string_view fault) {
  // "kernel NAME: KIND: what happened"; the name has no colon.
  const size_t name_end = fault.find(": ");
  if (name_end == std::string_view::npos) return cudaErrorLaunchFailure;
  fault.remove_prefix(name_end + 2);
  // PTX's trap is no assert: a real device calls it an unspecified failure.
  if (fault == std::string(FaultName(FaultKind::kAssert)) + ": trap" ||
      fault.starts_with(std::string(FaultName(FaultKind::kAssert)) + ": trap\n")) {
    return cudaErrorLaunchFailure;
  }
  for (const Row& row : kErrors) {
    if (fault.starts_with(FaultName(row.kind))) return row.error;
  }
  return cudaErrorLaunchFailure;
}

cudaError_t RunKernel(const KernelWork& work) {
  const LaunchConfig config = {.grid = work.grid,
                               .block = work.block,
                               .cluster = work.cluster,
                               .dynamic_shared_bytes = work.dynamic_shared_bytes,
                               .cooperative = work.cooperative,
                               .params = work.params};
  const Options& options = ProcessSettings()->interpreter;
  Counters* counters = options.counters ? &ProcessCounters() : nullptr;
  const LaunchResult result =
      Launch(*work.loaded->module, *work.loaded->kernel, config, options, counters);
  if (result.ok) return cudaSuccess;
  std::fprintf(stderr, "switchyard emulator: %s\n", result.fault.c_str());
  return ErrorOfFault(result.fault);
}

}  // namespace emu
