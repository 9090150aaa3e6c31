// Where the stand-in libraries are.
#ifndef SWITCHYARD_EMULATOR_EMULATE_LIBRARIES_H_
#define SWITCHYARD_EMULATOR_EMULATE_LIBRARIES_H_

#include <filesystem>
#include <string>
#include <vector>

namespace emu {

// The folders that hold libcudart.so.13 and libnccl.so.2, one or two: beside the program in
// `program_folder`, or in the lib folder next to it, as built and as installed. False, with a
// sentence, where one is missing.
bool FindLibraries(const std::filesystem::path& program_folder,
                   std::vector<std::filesystem::path>* folders, std::string* error);

// `folders` before what LD_LIBRARY_PATH holds (may be null).
std::string LibraryPath(const std::vector<std::filesystem::path>& folders, const char* current);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_EMULATE_LIBRARIES_H_
