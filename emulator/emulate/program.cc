#include "emulator/emulate/program.h"

#include <sys/stat.h>
#include <unistd.h>

#include <string_view>

namespace emu {
namespace {

bool IsExecutable(const std::string& file) {
  struct stat info = {};
  return stat(file.c_str(), &info) == 0 && S_ISREG(info.st_mode) && access(file.c_str(), X_OK) == 0;
}

}  // namespace

std::string FindProgram(const std::string& name, const char* search_path, std::string* error) {
  if (name.find('/') != std::string::npos) {
    if (IsExecutable(name)) return name;
    *error =
        name + (access(name.c_str(), F_OK) == 0 ? " is not an executable file" : " does not exist");
    return "";
  }
  std::string_view rest = search_path == nullptr ? "" : search_path;
  while (!rest.empty()) {
    const size_t colon = rest.find(':');
    const std::string folder(rest.substr(0, colon));
    rest = colon == std::string_view::npos ? std::string_view() : rest.substr(colon + 1);
    const std::string file = (folder.empty() ? "." : folder) + "/" + name;
    if (IsExecutable(file)) return file;
  }
  *error = name + " is not found in PATH";
  return "";
}

}  // namespace emu
