#include "emulator/cudart/cubin.h"

#include <elf.h>

#include <cstring>
#include <optional>
#include <vector>

namespace emu {
namespace {

constexpr std::string_view kText = ".text.";
constexpr std::string_view kShared = ".nv.shared.";
constexpr std::string_view kConstants = ".nv.constant3";
constexpr std::string_view kInfo = ".nv.info";
constexpr uint64_t kMaxSections = 1 << 20;

// Records of .nv.info: a format, an attribute, a size, and for the sized format so many bytes.
constexpr uint8_t kSizedRecord = 4;
constexpr uint8_t kFrameSize = 0x11;
constexpr uint8_t kRegisterCount = 0x2f;

struct Record {
  uint8_t format;
  uint8_t attribute;
  uint16_t bytes;
};
struct FunctionValue {  // payload of the two attributes above
  uint32_t symbol;
  uint32_t value;
};

template <typename T>
std::optional<T> ReadAt(std::string_view bytes, uint64_t at) {
  if (at > bytes.size() || bytes.size() - at < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::string_view NameAt(std::string_view names, uint64_t at) {
  if (at >= names.size()) return {};
  names.remove_prefix(at);
  return names.substr(0, names.find('\0'));
}

class Elf {
 public:
  // Empty of sections when the bytes are not understood.
  explicit Elf(std::string_view bytes) : bytes_(bytes) {
    const std::optional<Elf64_Ehdr> header = ReadAt<Elf64_Ehdr>(bytes, 0);
    if (!header || std::memcmp(header->e_ident, ELFMAG, SELFMAG) != 0 ||
        header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_shentsize != sizeof(Elf64_Shdr)) {
      return;
    }
    const std::optional<Elf64_Shdr> first = ReadAt<Elf64_Shdr>(bytes, header->e_shoff);
    if (!first) return;
    // With many sections the counts stand in section 0.
    const uint64_t count = header->e_shnum != 0 ? header->e_shnum : first->sh_size;
    const uint64_t names = header->e_shstrndx != SHN_XINDEX ? header->e_shstrndx : first->sh_link;
    if (count > kMaxSections || names >= count) return;
    for (uint64_t i = 0; i < count; ++i) {
      const auto section = ReadAt<Elf64_Shdr>(bytes, header->e_shoff + i * sizeof(Elf64_Shdr));
      if (!section) return;
      sections_.push_back(*section);
    }
    names_ = Content(names);
  }

  const std::vector<Elf64_Shdr>& sections() const { return sections_; }
  std::string_view Name(const Elf64_Shdr& section) const { return NameAt(names_, section.sh_name); }
  std::string_view Content(uint64_t index) const {
    if (index >= sections_.size()) return {};
    const Elf64_Shdr& section = sections_[index];
    if (section.sh_type == SHT_NOBITS || section.sh_offset > bytes_.size()) return {};
    return bytes_.substr(section.sh_offset, section.sh_size);
  }
  // Of the symbol table in section `table`.
  std::string_view SymbolName(uint64_t table, uint64_t symbol) const {
    const auto entry = ReadAt<Elf64_Sym>(Content(table), symbol * sizeof(Elf64_Sym));
    return entry ? NameAt(Content(sections_[table].sh_link), entry->st_name) : "";
  }

 private:
  std::string_view bytes_;
  std::string_view names_;
  std::vector<Elf64_Shdr> sections_;
};

using Kernels = std::map<std::string, CubinKernel, std::less<>>;

void ReadInfo(const Elf& elf, uint64_t index, Kernels* kernels) {
  const std::string_view info = elf.Content(index);
  const uint64_t symbols = elf.sections()[index].sh_link;
  for (uint64_t at = 0;;) {
    const std::optional<Record> record = ReadAt<Record>(info, at);
    if (!record) return;
    at += sizeof(Record);
    if (record->format != kSizedRecord) continue;  // its value stands in the size's place
    const std::optional<FunctionValue> value = ReadAt<FunctionValue>(info, at);
    at += record->bytes;
    if (!value || record->bytes != sizeof(FunctionValue)) continue;
    const auto kernel = kernels->find(elf.SymbolName(symbols, value->symbol));
    if (kernel == kernels->end()) continue;
    if (record->attribute == kRegisterCount) {
      kernel->second.num_registers = static_cast<int>(value->value & 0xFFFF);
    } else if (record->attribute == kFrameSize) {
      kernel->second.local_bytes = value->value;
    }
  }
}

}  // namespace

Kernels ReadCubin(std::string_view bytes) {
  Kernels kernels;
  const Elf elf(bytes);
  size_t constant_bytes = 0;
  for (const Elf64_Shdr& section : elf.sections()) {
    const std::string_view name = elf.Name(section);
    if (name == kConstants) constant_bytes = section.sh_size;
    if (name.starts_with(kText)) kernels[std::string(name.substr(kText.size()))] = {};
  }
  for (uint64_t i = 0; i < elf.sections().size(); ++i) {
    const Elf64_Shdr& section = elf.sections()[i];
    const std::string_view name = elf.Name(section);
    if (name == kInfo) ReadInfo(elf, i, &kernels);
    if (!name.starts_with(kShared)) continue;
    const auto kernel = kernels.find(name.substr(kShared.size()));
    if (kernel != kernels.end()) kernel->second.static_shared_bytes = section.sh_size;
  }
  for (auto& [name, kernel] : kernels) kernel.constant_bytes = constant_bytes;
  return kernels;
}

}  // namespace emu
