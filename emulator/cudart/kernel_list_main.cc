// switchyard-kernels FILE [--counters JSON...]: what ptxas gave each kernel in a program or library
// that nvcc built, and what runs on the emulator counted, one Markdown row each. Nothing is run.
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
#include "emulator/cudart/kernel_counters.h"

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

struct NamedKernel {
  std::string mangled;
  CubinKernel resources;
};
using Kernels = std::map<std::string, NamedKernel>;  // by short name

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
        (*kernels)[ShortName(name)] = {name, kernel};
      }
    }
    at += header_bytes + content_bytes;
  }
  return true;
}

void PrintResources(const Kernels& kernels) {
  std::printf("| kernel | registers | stack bytes | static shared bytes |\n|---|---|---|---|\n");
  for (const auto& [name, kernel] : kernels) {
    const CubinKernel& resources = kernel.resources;
    std::printf("| `%s` | %d | %zu | %zu |\n", name.c_str(), resources.num_registers,
                resources.local_bytes, resources.static_shared_bytes);
  }
}

// Kernels that no run launched have no row.
void PrintCounted(const Kernels& kernels, const std::map<std::string, CountedKernel>& counted) {
  PrintShapesHeader();
  for (const auto& [name, kernel] : kernels) {
    const auto it = counted.find(kernel.mangled);
    if (it != counted.end()) PrintShapes(name, kernel.resources, it->second);
  }
  PrintAccessesHeader();
  for (const auto& [name, kernel] : kernels) {
    const auto it = counted.find(kernel.mangled);
    if (it != counted.end()) PrintAccesses(name, it->second);
  }
}

constexpr char kHelp[] =
    "Usage: switchyard-kernels FILE [--counters JSON...]\n\n"
    "Markdown tables of the kernels in a program or library that nvcc built. First what ptxas "
    "gave\n"
    "each: registers, stack, static shared memory. With what runs on the emulator counted\n"
    "(SWITCHYARD_EMULATOR=counters=1,counters_file=JSON), merged over the files, two more:\n"
    "  blocks    each shape seen: threads, dynamic shared memory; blocks and warps that an SM of\n"
    "            an H100 holds and what limits them, computed by the toolkit's cuda_occupancy.h\n"
    "  accesses  sectors of global memory and wavefronts of shared memory, in percent of the\n"
    "            fewest that the bytes of each request need: 100 is coalesced, without conflicts\n"
    "A kernel that no run launched has no row there.\n";

}  // namespace
}  // namespace emu

int main(int argc, char** argv) {
  using namespace emu;
  const std::vector<std::string> args(argv + 1, argv + argc);
  const bool help = args.size() == 1 && args[0] == "--help";
  if (help || args.empty() || args[0][0] == '-' || args.size() == 2 ||
      (args.size() > 2 && args[1] != "--counters")) {
    std::fputs(kHelp, help ? stdout : stderr);
    return help ? 0 : kExitUsage;
  }
  std::ifstream input(args[0], std::ios::binary);
  if (!input) {
    std::fprintf(stderr, "switchyard-kernels: %s: cannot open\n", args[0].c_str());
    return kExitNotFound;
  }
  const std::string file{std::istreambuf_iterator<char>(input), {}};
  const Range range = FindDeviceCode(file);
  Kernels kernels;
  std::string error = "no device code of nvcc";
  if (range.bytes == 0 ||
      !ReadContainers(file.substr(range.begin, range.bytes), &kernels, &error)) {
    std::fprintf(stderr, "switchyard-kernels: %s: %s\n", args[0].c_str(), error.c_str());
    return kExitUnsupported;
  }
  std::map<std::string, CountedKernel> counted;
  for (size_t i = 2; i < args.size(); ++i) {
    if (AddCounters(args[i], &counted, &error)) continue;
    std::fprintf(stderr, "switchyard-kernels: %s\n", error.c_str());
    return kExitUnsupported;
  }
  PrintResources(kernels);
  if (args.size() > 2) PrintCounted(kernels, counted);
  return 0;
}
