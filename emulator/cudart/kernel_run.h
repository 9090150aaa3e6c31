// Between a queued launch and the interpreter: runs the kernel, reports its fault, maps the fault
// to CUDA's error, and sums counters over the process.
//
// Thread: any, without Runtime::mutex.
#ifndef SWITCHYARD_EMULATOR_CUDART_KERNEL_RUN_H_
#define SWITCHYARD_EMULATOR_CUDART_KERNEL_RUN_H_

#include <driver_types.h>

#include <string_view>

namespace emu {

struct KernelWork;

cudaError_t RunKernel(const KernelWork& work);

// The error of CUDA that a report of the interpreter (LaunchResult::fault) stands for.
cudaError_t ErrorOfFault(std::string_view fault);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_KERNEL_RUN_H_
