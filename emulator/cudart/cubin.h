// What ptxas decided about a kernel, read from the cubin that nvcc embeds beside the PTX: an ELF
// file with one .text section per kernel. Only resource figures are taken; machine code is never
// looked at. They make occupancy and launch limits those of the real build.
//
// Pure functions over bytes from outside: every offset is checked. Thread: any.
#ifndef SWITCHYARD_EMULATOR_CUDART_CUBIN_H_
#define SWITCHYARD_EMULATOR_CUDART_CUBIN_H_

#include <cstddef>
#include <map>
#include <string>
#include <string_view>

namespace emu {

struct CubinKernel {
  int num_registers = 0;           // per thread
  size_t local_bytes = 0;          // per thread: stack frame and spills
  size_t static_shared_bytes = 0;  // per block
  size_t constant_bytes = 0;       // bank 3, of the module: user constants
};

// Kernels by mangled name. Empty when the bytes are no 64-bit ELF file that is understood.
std::map<std::string, CubinKernel, std::less<>> ReadCubin(std::string_view elf);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_CUBIN_H_
