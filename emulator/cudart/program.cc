#include "emulator/cudart/program.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "emulator/cudart/fatbin.h"
#include "emulator/cudart/occupancy.h"

namespace emu {
namespace {

constexpr int kArchitecture = 90;

void Report(const std::string& text) {
  std::fprintf(stderr, "switchyard emulator: %s\n", text.c_str());
}

// Later entries win: nvcc writes one per architecture asked for.
const FatbinEntry* Pick(const std::vector<FatbinEntry>& entries, FatbinKind kind) {
  const FatbinEntry* picked = nullptr;
  for (const FatbinEntry& entry : entries) {
    if (entry.kind != kind || entry.architecture > kArchitecture) continue;
    if (picked == nullptr || entry.architecture >= picked->architecture) picked = &entry;
  }
  return picked;
}

size_t DefaultDynamicShared(size_t static_bytes) {
  return static_bytes < kDefaultSharedPerBlock ? kDefaultSharedPerBlock - static_bytes : 0;
}

}  // namespace

Image* Program::AddImage(const void* container) {
  images_.emplace_back().container = container;
  return &images_.back();
}

Function* Program::AddFunction(Image* image, const void* host, std::string_view name) {
  Function& function = functions_.emplace_back();
  function.image = image;
  function.name = name;
  function.host = host;
  if (host != nullptr) by_host_[host] = &function;
  by_handle_[&function] = &function;
  return &function;
}

void Program::AddSymbol(Image* image, const void* host, Symbol symbol) {
  symbol.image = image;
  symbols_[host] = std::move(symbol);
}

void Program::Forget(const Image* image) {
  std::erase_if(by_host_, [&](const auto& entry) { return entry.second->image == image; });
  std::erase_if(symbols_, [&](const auto& entry) { return entry.second.image == image; });
}

Function* Program::FindFunction(const void* host_or_handle) {
  if (const auto found = by_host_.find(host_or_handle); found != by_host_.end()) {
    return found->second;
  }
  const auto found = by_handle_.find(host_or_handle);
  return found == by_handle_.end() ? nullptr : found->second;
}

const Symbol* Program::FindSymbol(const void* host) const {
  const auto found = symbols_.find(host);
  return found == symbols_.end() ? nullptr : &found->second;
}

std::vector<const Symbol*> Program::SymbolsOf(const Image* image) const {
  std::vector<const Symbol*> found;
  for (const auto& [host, symbol] : symbols_) {
    if (symbol.image == image) found.push_back(&symbol);
  }
  return found;
}

cudaError_t Program::Unpack(Image& image) {
  std::vector<FatbinEntry> entries;
  std::string error;
  if (image.container == nullptr || !ReadFatbin(image.container, &entries, &error)) {
    Report("embedded device code: " + error);
    return cudaErrorInvalidKernelImage;
  }
  const FatbinEntry* ptx = Pick(entries, FatbinKind::kPtx);
  if (ptx == nullptr) {
    Report("no PTX for compute_90a is embedded; build with -gencode arch=compute_90a," +
           std::string("code=[sm_90a,compute_90a]"));
    return cudaErrorNoKernelImageForDevice;
  }
  if (!ExpandEntry(*ptx, &image.ptx, &error)) {
    Report("embedded PTX: " + error);
    return cudaErrorInvalidKernelImage;
  }
  std::string elf;
  const FatbinEntry* cubin = Pick(entries, FatbinKind::kCubin);
  if (cubin != nullptr && ExpandEntry(*cubin, &elf, &error)) image.cubin = ReadCubin(elf);
  return cudaSuccess;
}

cudaError_t Program::LoadModule(Image& image, Device& device, const Module** module) {
  if (image.failure != cudaSuccess) return image.failure;
  if (!std::exchange(image.unpacked, true)) {
    image.failure = Unpack(image);
    if (image.failure != cudaSuccess) return image.failure;
  }
  std::unique_ptr<Module>& loaded = image.modules[&device];
  if (loaded == nullptr) {
    std::string error;
    loaded = Module::Parse(image.ptx, &error);
    if (loaded == nullptr) {
      Report("PTX: " + error);
      image.failure = cudaErrorInvalidPtx;
      return image.failure;
    }
  }
  *module = loaded.get();
  return cudaSuccess;
}

cudaError_t Program::Load(Function& function, Device& device, LoadedKernel** kernel) {
  LoadedKernel& loaded = function.loaded[&device];
  if (loaded.kernel == nullptr) {
    const cudaError_t error = LoadModule(*function.image, device, &loaded.module);
    if (error != cudaSuccess) return error;
    const Kernel* found = loaded.module->FindKernel(function.name);
    if (found == nullptr) return cudaErrorInvalidDeviceFunction;
    const auto resources = function.image->cubin.find(function.name);
    if (resources != function.image->cubin.end()) {
      loaded.resources = resources->second;
    } else {
      loaded.resources.num_registers = static_cast<int>(found->num_registers());
      loaded.resources.static_shared_bytes = found->static_shared_bytes();
    }
    loaded.max_dynamic_shared = DefaultDynamicShared(found->static_shared_bytes());
    loaded.kernel = found;
  }
  *kernel = &loaded;
  return cudaSuccess;
}

}  // namespace emu
