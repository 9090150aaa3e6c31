#include "emulator/emulate/program_file.h"

#include <elf.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>

namespace emu {
namespace {

constexpr std::string_view kRuntime = "libcudart.so.13";

template <typename T>
std::optional<T> ReadAt(std::string_view bytes, uint64_t offset) {
  if (offset > bytes.size() || bytes.size() - offset < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

// The text at `offset`, up to its NUL; empty where there is none.
std::string_view TextAt(std::string_view bytes, uint64_t offset) {
  if (offset >= bytes.size()) return {};
  const std::string_view rest = bytes.substr(offset);
  const size_t end = rest.find('\0');
  return end == std::string_view::npos ? std::string_view() : rest.substr(0, end);
}

std::vector<Elf64_Phdr> Segments(std::string_view bytes, const Elf64_Ehdr& header) {
  std::vector<Elf64_Phdr> segments;
  for (uint64_t i = 0; i < header.e_phnum; ++i) {
    if (const auto segment = ReadAt<Elf64_Phdr>(bytes, header.e_phoff + i * sizeof(Elf64_Phdr))) {
      segments.push_back(*segment);
    }
  }
  return segments;
}

// Where a virtual address lies in the file.
std::optional<uint64_t> FileOffset(const std::vector<Elf64_Phdr>& segments, uint64_t address) {
  for (const Elf64_Phdr& segment : segments) {
    if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
        address - segment.p_vaddr < segment.p_filesz) {
      return segment.p_offset + (address - segment.p_vaddr);
    }
  }
  return std::nullopt;
}

void ReadDynamic(std::string_view bytes, const Elf64_Ehdr& header, ProgramFile* file) {
  const std::vector<Elf64_Phdr> segments = Segments(bytes, header);
  const auto dynamic = std::find_if(segments.begin(), segments.end(),
                                    [](const Elf64_Phdr& s) { return s.p_type == PT_DYNAMIC; });
  if (dynamic == segments.end()) return;
  std::vector<uint64_t> names;
  std::optional<uint64_t> strings;
  bool has_runpath = false;
  for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= dynamic->p_filesz; at += sizeof(Elf64_Dyn)) {
    const auto entry = ReadAt<Elf64_Dyn>(bytes, dynamic->p_offset + at);
    if (!entry || entry->d_tag == DT_NULL) break;
    if (entry->d_tag == DT_NEEDED) names.push_back(entry->d_un.d_val);
    if (entry->d_tag == DT_STRTAB) strings = FileOffset(segments, entry->d_un.d_ptr);
    if (entry->d_tag == DT_RPATH) file->has_rpath = true;
    if (entry->d_tag == DT_RUNPATH) has_runpath = true;
  }
  if (has_runpath) file->has_rpath = false;  // which then counts for nothing
  if (!strings) return;
  for (const uint64_t name : names) {
    if (name < bytes.size()) file->needed.emplace_back(TextAt(bytes, *strings + name));
  }
}

bool HasDeviceCode(std::string_view bytes, const Elf64_Ehdr& header) {
  const auto section = [&](uint64_t index) {
    return ReadAt<Elf64_Shdr>(bytes, header.e_shoff + index * sizeof(Elf64_Shdr));
  };
  const auto names = section(header.e_shstrndx);
  if (!names) return false;
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    const auto held = section(i);
    if (!held) return false;
    const std::string_view name = TextAt(bytes, names->sh_offset + held->sh_name);
    if (name == ".nv_fatbin" || name == ".nvFatBinSegment") return true;
  }
  return false;
}

}  // namespace

ProgramFile ReadProgramFile(std::string_view bytes) {
  ProgramFile file;
  const auto header = ReadAt<Elf64_Ehdr>(bytes, 0);
  if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
      header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB) {
    return file;
  }
  file.is_elf = true;
  ReadDynamic(bytes, *header, &file);
  file.has_device_code = HasDeviceCode(bytes, *header);
  file.names_driver = bytes.find("libcuda.so.1") != std::string_view::npos;
  return file;
}

std::string WhyUnsupported(const ProgramFile& file) {
  if (!file.is_elf) return "";
  bool needs_runtime = false;
  for (const std::string& library : file.needed) {
    if (library == kRuntime) {
      needs_runtime = true;
    } else if (library.starts_with("libcudart.so.")) {
      return "it was built for " + library + "; the emulator stands in for " +
             std::string(kRuntime) + ": build it with the CUDA 13 toolkit";
    } else if (library.starts_with("libcuda.so")) {
      return "it needs the CUDA driver library itself (" + library +
             "), which the emulator does not stand in for: use the runtime's functions";
    }
  }
  if (needs_runtime && file.has_rpath) {
    return "its RPATH comes before LD_LIBRARY_PATH, so it would find other libraries: link it with "
           "-Wl,--enable-new-dtags";
  }
  if (!needs_runtime && (file.has_device_code || file.names_driver)) {
    return "it does not need " + std::string(kRuntime) +
           ", so the CUDA runtime is linked into it statically: build it with nvcc -cudart shared";
  }
  return "";
}

}  // namespace emu
