#include "emulator/cudart/kernel_run.h"

#include <cstdio>

#include "emulator/cudart/settings.h"
#include "emulator/cudart/work.h"
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

}  // namespace

cudaError_t ErrorOfFault(std::string_view fault) {
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
  const LaunchResult result =
      Launch(*work.loaded->module, *work.loaded->kernel, config, options, nullptr);
  if (result.ok) return cudaSuccess;
  std::fprintf(stderr, "switchyard emulator: %s\n", result.fault.c_str());
  return ErrorOfFault(result.fault);
}

}  // namespace emu
