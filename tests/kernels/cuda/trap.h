// How a process ends whose kernel has ended itself. A death test that asked for an error of CUDA
// alone would also pass where there is no device, or where the kernel was another one.
#ifndef SWITCHYARD_TESTS_KERNELS_CUDA_TRAP_H_
#define SWITCHYARD_TESTS_KERNELS_CUDA_TRAP_H_

#include <string>

namespace switchyard::kernels {

// For EXPECT_DEATH. The emulator names the kernel, a GPU does not.
inline std::string TrapOf(const std::string& kernel) {
  return "(" + kernel + ".*assertion: trap|unspecified launch failure).*";
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_KERNELS_CUDA_TRAP_H_
