#include "emulator/emulate/libraries.h"

#include <algorithm>
#include <system_error>

namespace emu {

namespace fs = std::filesystem;

bool FindLibraries(const fs::path& program_folder, std::vector<fs::path>* folders,
                   std::string* error) {
  const fs::path library_folder = program_folder.parent_path() / "lib";
  const fs::path candidates[] = {program_folder, library_folder / "switchyard-emulator"};
  for (const char* library : {"libcudart.so.13", "libnccl.so.2"}) {
    const auto* found = std::find_if(std::begin(candidates), std::end(candidates),
                                     [library](const fs::path& folder) {
                                       std::error_code ignored;
                                       return fs::exists(folder / library, ignored);
                                     });
    if (found == std::end(candidates)) {
      *error = std::string(library) + " of the emulator is neither in " + candidates[0].string() +
               " nor in " + candidates[1].string();
      return false;
    }
    if (std::find(folders->begin(), folders->end(), *found) == folders->end()) {
      folders->push_back(*found);
    }
  }
  return true;
}

std::string LibraryPath(const std::vector<fs::path>& folders, const char* current) {
  std::string path;
  for (const fs::path& folder : folders) {
    if (!path.empty()) path += ':';
    path += folder.string();
  }
  // An empty part would mean the current folder.
  return current == nullptr || *current == '\0' ? path : path + ":" + current;
}

}  // namespace emu
