// switchyard-emulate: becomes a command whose CUDA libraries are the emulator's.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "emulator/emulate/command_line.h"
#include "emulator/emulate/exit_code.h"
#include "emulator/emulate/help.h"
#include "emulator/emulate/libraries.h"
#include "emulator/emulate/program.h"
#include "emulator/emulate/program_file.h"

namespace emu {
namespace {

struct Variable {
  const char* name;
  std::string value;
};

std::string ValueOf(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

int Refuse(int exit_code, const std::string& why) {
  std::fprintf(stderr, "switchyard-emulate: %s\n", why.c_str());
  return exit_code;
}

// Empty where the program can run, or cannot be looked at.
std::string WhyUnsupported(const std::string& program) {
  const int descriptor = open(program.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat info = {};
  if (descriptor < 0 || fstat(descriptor, &info) != 0 || info.st_size == 0) return "";
  const auto size = static_cast<size_t>(info.st_size);
  void* bytes = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
  close(descriptor);
  if (bytes == MAP_FAILED) return "";
  const ProgramFile file = ReadProgramFile({static_cast<const char*>(bytes), size});
  munmap(bytes, size);
  return WhyUnsupported(file);
}

// In single quotes, so that a shell takes it as it is.
std::string Quoted(const std::string& value) {
  std::string quoted = "'";
  for (const char c : value) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

int Become(const std::vector<std::string>& command) {
  std::string error;
  const std::string program = FindProgram(command[0], std::getenv("PATH"), &error);
  if (program.empty()) return Refuse(kExitMissing, error);
  if (const std::string why = WhyUnsupported(program); !why.empty()) {
    return Refuse(kExitUnsupported, program + " cannot run on the emulator: " + why);
  }
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));  // execv does not write to them
  }
  arguments.push_back(nullptr);
  execv(program.c_str(), arguments.data());
  return Refuse(kExitMissing, program + " cannot be run: " + std::strerror(errno));
}

int Main(int argc, char** argv) {
  CommandLine line;
  std::string error;
  if (!ParseCommandLine(argc, argv, ValueOf("SWITCHYARD_EMULATOR"),
                        ValueOf("SWITCHYARD_EMULATOR_NCCL"), &line, &error)) {
    return Refuse(kExitUsage, error + " (switchyard-emulate --help shows examples)");
  }
  if (line.action == CommandLine::Action::kHelp ||
      line.action == CommandLine::Action::kListChecks) {
    std::fputs(line.action == CommandLine::Action::kHelp ? kHelpText : kChecksText, stdout);
    return kExitOk;
  }
  std::error_code code;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", code);
  if (code) return Refuse(kExitMissing, "/proc/self/exe: " + code.message());
  std::vector<std::filesystem::path> folders;
  if (!FindLibraries(self.parent_path(), &folders, &error)) return Refuse(kExitMissing, error);

  const std::vector<Variable> variables = {
      {"LD_LIBRARY_PATH", LibraryPath(folders, std::getenv("LD_LIBRARY_PATH"))},
      {"SWITCHYARD_EMULATOR", line.emulator.ToText()},
      {"SWITCHYARD_EMULATOR_NCCL", line.nccl.ToText()},
  };
  for (const Variable& variable : variables) {
    if (line.action == CommandLine::Action::kPrintEnvironment) {
      std::printf("export %s=%s\n", variable.name, Quoted(variable.value).c_str());
    } else {
      setenv(variable.name, variable.value.c_str(), 1);
    }
  }
  return line.action == CommandLine::Action::kRun ? Become(line.command) : kExitOk;
}

}  // namespace
}  // namespace emu

int main(int argc, char** argv) { return emu::Main(argc, argv); }
