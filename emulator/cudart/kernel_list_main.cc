// switchyard-kernels FILE: what ptxas gave each kernel in a program or library that nvcc built, one
// Markdown row each. Reads the machine code's descriptions alone; nothing is run.
#include <cxxabi.h>
#include <elf.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "emulator/cudart/cubin.h"
#include "emulator/cudart/fatbin.h"

namespace emu {
namespace {

constexpr int kExitUsage = 2, kExitNotFound = 3, kExitUnsupported = 4;
constexpr char kSection[] = ".nv_fatbin";
constexpr size_t kHeaderBytes = 16;  // magic, version and own size, size of what follows
constexpr uint32_t kMagic = 0xBA55ED50;

struct Range {
  size_t begin = 0, bytes = 0;
};

// The section of device code in a 64-bit ELF file; nothing where there is none.
Range FindDeviceCode(const std::string& file) {
  Elf64_Ehdr header;
  if (file.size() < sizeof header) return {};
  std::memcpy(&header, file.data(), sizeof header);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return {};
  const auto section = [&](size_t index) {
    Elf64_Shdr entry{};
    const size_t at = header.e_shoff + index * sizeof entry;
    if (at <= file.size() && file.size() - at >= sizeof entry) {
      std::memcpy(&entry, file.data() + at, sizeof entry);
    }
    return entry;
  };
  const Elf64_Shdr names = section(header.e_shstrndx);
  for (size_t i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr entry = section(i);
    const size_t name = names.sh_offset + entry.sh_name;
    if (name >= file.size() || std::strncmp(file.c_str() + name, kSection, sizeof kSection) != 0) {
      continue;
    }
    if (entry.sh_offset > file.size() || file.size() - entry.sh_offset < entry.sh_size) return {};
    return {entry.sh_offset, entry.sh_size};
  }
  return {};
}

// "cuda::GemmKernel<(GemmForm)0, 8>" of a mangled name: without arguments and outer namespaces.
std::string ShortName(const std::string& mangled) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), &std::free);
  std::string name = text != nullptr ? text.get() : mangled;
  name = name.substr(0, name.rfind('('));  // the arguments
  for (const char* prefix : {"void ", "switchyard::kernels::cuda::"}) {
    for (size_t at; (at = name.find(prefix)) != std::string::npos;) {
      name.erase(at, std::strlen(prefix));
    }
  }
  return name;
}

using Kernels = std::map<std::string, CubinKernel>;

// Containers follow each other, padded to eight bytes.
bool ReadContainers(const std::string& code, Kernels* kernels, std::string* error) {
  for (size_t at = 0; at + kHeaderBytes <= code.size();) {
    uint32_t magic;
    uint16_t header_bytes;
    uint64_t content_bytes;
    std::memcpy(&magic, code.data() + at, sizeof magic);
    std::memcpy(&header_bytes, code.data() + at + 6, sizeof header_bytes);
    std::memcpy(&content_bytes, code.data() + at + 8, sizeof content_bytes);
    if (magic != kMagic) {
      at += 8;
      continue;
    }
    if (content_bytes > code.size() - at - kHeaderBytes) {
      *error = "a container of device code is cut off";
      return false;
    }
    std::vector<FatbinEntry> entries;
    if (!ReadFatbin(code.data() + at, &entries, error)) return false;
    for (const FatbinEntry& entry : entries) {
      std::string content;
      if (entry.kind != FatbinKind::kCubin) continue;
      if (!ExpandEntry(entry, &content, error)) return false;
      for (const auto& [name, kernel] : ReadCubin(content)) {
        (*kernels)[ShortName(name)] = kernel;
      }
    }
    at += header_bytes + content_bytes;
  }
  return true;
}

}  // namespace
}  // namespace emu

int main(int argc, char** argv) {
  using namespace emu;
  if (argc != 2 || argv[1][0] == '-') {
    std::printf(
        "Usage: switchyard-kernels FILE\n\n"
        "Registers, stack and static shared memory of each kernel in a program or library that "
        "nvcc\n"
        "built, as a Markdown table.\n");
    return argc == 2 && std::string(argv[1]) == "--help" ? 0 : kExitUsage;
  }
  std::ifstream input(argv[1], std::ios::binary);
  if (!input) {
    std::fprintf(stderr, "switchyard-kernels: %s: cannot open\n", argv[1]);
    return kExitNotFound;
  }
  const std::string file{std::istreambuf_iterator<char>(input), {}};
  const Range range = FindDeviceCode(file);
  Kernels kernels;
  std::string error = "no device code of nvcc";
  if (range.bytes == 0 ||
      !ReadContainers(file.substr(range.begin, range.bytes), &kernels, &error)) {
    std::fprintf(stderr, "switchyard-kernels: %s: %s\n", argv[1], error.c_str());
    return kExitUnsupported;
  }
  std::printf("| kernel | registers | stack bytes | static shared bytes |\n|---|---|---|---|\n");
  for (const auto& [name, kernel] : kernels) {
    std::printf("| `%s` | %d | %zu | %zu |\n", name.c_str(), kernel.num_registers,
                kernel.local_bytes, kernel.static_shared_bytes);
  }
  return 0;
}
