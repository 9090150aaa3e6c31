// What an executable file tells about itself before it runs, as far as the emulator cares.
#ifndef SWITCHYARD_EMULATOR_EMULATE_PROGRAM_FILE_H_
#define SWITCHYARD_EMULATOR_EMULATE_PROGRAM_FILE_H_

#include <string>
#include <string_view>
#include <vector>

namespace emu {

struct ProgramFile {
  bool is_elf = false;              // a 64-bit little-endian ELF file; the rest is empty otherwise
  std::vector<std::string> needed;  // sonames of the libraries that it asks for
  bool has_rpath = false;           // DT_RPATH, which comes before LD_LIBRARY_PATH
  bool has_device_code = false;     // sections of nvcc
  bool names_driver = false;        // holds the name libcuda.so.1, as the static runtime does
};

// Of the bytes of a file, which may be damaged: what cannot be read is left out.
ProgramFile ReadProgramFile(std::string_view bytes);

// Why the emulator cannot run the program; empty if it can, or if it is no CUDA program at all,
// such as a shell that starts others.
std::string WhyUnsupported(const ProgramFile& file);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_EMULATE_PROGRAM_FILE_H_
