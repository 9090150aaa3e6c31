#include "tests/kernels/cuda/issue_slots.h"

#include <cxxabi.h>
#include <elf.h>
#include <zstd.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

namespace switchyard {
namespace {

template <typename T>
std::optional<T> ReadAt(std::string_view bytes, uint64_t at) {
  if (at > bytes.size() || bytes.size() - at < sizeof(T)) return std::nullopt;
  T value;
  bytes.copy(reinterpret_cast<char*>(&value), sizeof value, at);
  return value;
}

// Bytes [at, at + size), as far as there are some.
std::string_view PartOf(std::string_view bytes, uint64_t at, uint64_t size) {
  return at > bytes.size() ? std::string_view() : bytes.substr(at, size);
}

// --- Machine code ---

struct Instruction {
  uint64_t low = 0, high = 0;

  // Above these nine bits: where operands come from.
  static constexpr uint64_t kHgmma = 0x1f0, kQgmma = 0x1f3, kBranch = 0x147;
  uint64_t opcode() const { return low & 0x1ff; }
  // Columns of K of a warpgroup's product; 0: it is another instruction.
  int k() const { return opcode() == kHgmma ? 16 : opcode() == kQgmma ? 32 : 0; }
  std::string product() const {
    const auto columns = static_cast<int>((low >> 53 & 0x1f) + 1) * 8;
    return fmt::format("{}GMMA.64x{}x{}", k() == 16 ? 'H' : 'Q', columns, k());
  }
  bool branches() const { return opcode() == kBranch; }
  // Instructions from the next one to the target: 56 bits, in units of four bytes.
  int64_t distance() const {
    const uint64_t words = (low >> 16 & 0xff) | (low >> 34) << 8 | (high & 0x3ffff) << 38;
    return static_cast<int64_t>(words << 8) / (int64_t{4} << 8);
  }
};

// Empty product: no loop multiplies.
LoopSlots ShortestLoop(std::string_view code) {
  std::vector<Instruction> all;
  while (const auto next = ReadAt<Instruction>(code, all.size() * sizeof(Instruction))) {
    all.push_back(*next);
  }
  LoopSlots best;
  int64_t best_length = INT64_MAX;
  for (int64_t at = 0; at < std::ssize(all); ++at) {
    if (!all[at].branches()) continue;
    const int64_t begin = at + 1 + all[at].distance(), length = at + 1 - begin;
    if (begin < 0 || length <= 0 || length >= best_length) continue;
    int products = 0, k = 0;
    std::string product;
    for (int64_t i = begin; i <= at; ++i) {
      if (all[i].k() == 0) continue;
      ++products;
      k += all[i].k();
      product = all[i].product();
    }
    if (products == 0) continue;
    best_length = length;
    best = {.product = product,
            .products = products * 128.0 / k,
            .others = static_cast<double>(length - products) * 128 / k};
  }
  return best;
}

// --- From the file to the kernels' code ---

std::string ShortName(const std::string& mangled) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(mangled.c_str(), nullptr, nullptr, &status), &std::free);
  std::string name = text != nullptr ? text.get() : mangled;
  name = name.substr(0, name.rfind('('));  // the arguments
  for (const std::string_view part : {"void ", "switchyard::kernels::cuda::"}) {
    for (size_t at; (at = name.find(part)) != std::string::npos;) name.erase(at, part.size());
  }
  return name;
}

// A cubin is a 64-bit ELF file with a section of code for each kernel.
void AddKernels(std::string_view cubin, std::map<std::string, LoopSlots>* kernels) {
  constexpr std::string_view kText = ".text.";
  const auto header = ReadAt<Elf64_Ehdr>(cubin, 0);
  if (!header.has_value()) return;
  const auto section = [&](uint64_t index) {
    return ReadAt<Elf64_Shdr>(cubin, header->e_shoff + index * sizeof(Elf64_Shdr));
  };
  const auto names = section(header->e_shstrndx);
  for (uint64_t i = 0; names.has_value() && i < header->e_shnum; ++i) {
    const auto entry = section(i);
    if (!entry.has_value()) return;
    std::string_view name = PartOf(cubin, names->sh_offset + entry->sh_name, UINT64_MAX);
    name = name.substr(0, name.find('\0'));
    if (!name.starts_with(kText)) continue;
    const LoopSlots slots = ShortestLoop(PartOf(cubin, entry->sh_offset, entry->sh_size));
    if (slots.product.empty()) continue;
    (*kernels)[ShortName(std::string(name.substr(kText.size())))] = slots;
  }
}

// nvcc's container of device code: a header, then entries with a header each.
struct ContainerHeader {
  uint32_t magic;
  uint16_t version, header_bytes;
  uint64_t body_bytes;
};
struct EntryHeader {
  uint16_t kind, version;
  uint32_t header_bytes;
  uint64_t padded_bytes;
  uint32_t compressed_bytes;  // 0: stored plainly
  uint32_t unread[5];
  uint64_t flags, reserved;
  uint64_t uncompressed_bytes;
};
constexpr uint16_t kCubin = 2;
constexpr uint64_t kMaxCubinBytes = uint64_t{1} << 30;
static_assert(sizeof(ContainerHeader) == 16 && sizeof(EntryHeader) == 64);

absl::StatusOr<std::string> Expand(std::string_view payload, const EntryHeader& header) {
  if (header.compressed_bytes == 0) return std::string(payload);
  payload = payload.substr(0, header.compressed_bytes);
  if (header.uncompressed_bytes > kMaxCubinBytes) {
    return absl::InvalidArgumentError("device code of more than 1 GiB");
  }
  std::string content(header.uncompressed_bytes, '\0');
  const size_t got =
      ZSTD_decompress(content.data(), content.size(), payload.data(), payload.size());
  if (ZSTD_isError(got) != 0 || got != content.size()) {
    return absl::InvalidArgumentError("device code that is not compressed by zstd, or damaged");
  }
  return content;
}

absl::Status AddContainer(std::string_view body, std::map<std::string, LoopSlots>* kernels) {
  while (const auto header = ReadAt<EntryHeader>(body, 0)) {
    if (header->header_bytes < sizeof(EntryHeader) || header->header_bytes > body.size() ||
        header->padded_bytes > body.size() - header->header_bytes) {
      return absl::InvalidArgumentError("an entry of device code that does not fit its container");
    }
    if (header->kind == kCubin) {
      SY_ASSIGN_OR_RETURN(const std::string cubin,
                          Expand(body.substr(header->header_bytes, header->padded_bytes), *header));
      AddKernels(cubin, kernels);
    }
    body.remove_prefix(header->header_bytes + header->padded_bytes);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::map<std::string, LoopSlots>> ReadLoopSlots(std::string_view file) {
  constexpr std::string_view kMagic = "\x50\xed\x55\xba";
  std::map<std::string, LoopSlots> kernels;
  for (size_t at = file.find(kMagic); at != std::string_view::npos;) {
    const auto header = ReadAt<ContainerHeader>(file, at);
    size_t next = at + kMagic.size();
    if (header.has_value() && header->version == 1 && header->header_bytes == sizeof(*header) &&
        header->body_bytes <= file.size() - at - sizeof(*header)) {
      SY_RETURN_IF_ERROR(
          AddContainer(file.substr(at + sizeof(*header), header->body_bytes), &kernels));
      next = at + sizeof(*header) + header->body_bytes;
    }
    at = file.find(kMagic, next);
  }
  if (kernels.empty()) return absl::InvalidArgumentError("no device code with products in it");
  return kernels;
}

}  // namespace switchyard
