#include "emulator/ptx/counters.h"

#include <algorithm>
#include <string_view>

namespace emu {
namespace {

void AddGlobal(KernelCounters::Global* to, const KernelCounters::Global& from) {
  to->requests += from.requests;
  to->sectors += from.sectors;
  to->ideal_sectors += from.ideal_sectors;
  to->bytes_used += from.bytes_used;
}

void AddShared(KernelCounters::Shared* to, const KernelCounters::Shared& from) {
  to->requests += from.requests;
  to->wavefronts += from.wavefronts;
  to->ideal_wavefronts += from.ideal_wavefronts;
}

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    // Names of kernels and opcodes are identifiers; anything else is kept printable.
    quoted += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
  }
  return quoted + '"';
}

// Writes one JSON object; values are numbers or objects.
class Object {
 public:
  explicit Object(int depth) : depth_(depth) {}

  Object& Field(std::string_view name, uint64_t value) { return Raw(name, std::to_string(value)); }
  Object& Raw(std::string_view name, const std::string& value) {
    text_ += (text_.empty() ? "\n" : ",\n") + std::string((depth_ + 1) * 2, ' ') + Quoted(name) +
             ": " + value;
    return *this;
  }
  std::string Text() const {
    return text_.empty() ? "{}" : "{" + text_ + "\n" + std::string(depth_ * 2, ' ') + "}";
  }

 private:
  int depth_;
  std::string text_;
};

std::string GlobalJson(const KernelCounters::Global& global, int depth) {
  return Object(depth)
      .Field("requests", global.requests)
      .Field("sectors", global.sectors)
      .Field("ideal_sectors", global.ideal_sectors)
      .Field("bytes_used", global.bytes_used)
      .Field("bytes_moved", global.sectors * 32)
      .Text();
}

std::string SharedJson(const KernelCounters::Shared& shared, int depth) {
  return Object(depth)
      .Field("requests", shared.requests)
      .Field("wavefronts", shared.wavefronts)
      .Field("ideal_wavefronts", shared.ideal_wavefronts)
      .Text();
}

// A list: the shapes have no names.
std::string ShapesJson(const KernelCounters& kernel, int depth) {
  const std::string indent((depth + 1) * 2, ' ');
  std::string text;
  for (const auto& [shape, seen] : kernel.shapes) {
    text += (text.empty() ? "\n" : ",\n") + indent +
            "{\"threads\": " + std::to_string(shape.threads) +
            ", \"dynamic_shared_bytes\": " + std::to_string(shape.dynamic_shared_bytes) +
            ", \"launches\": " + std::to_string(seen.launches) +
            ", \"blocks_max\": " + std::to_string(seen.blocks_max) + "}";
  }
  return text.empty() ? "[]" : "[" + text + "\n" + std::string(depth * 2, ' ') + "]";
}

std::string KernelJson(const KernelCounters& kernel, int depth) {
  Object opcodes(depth + 1);
  for (const auto& [name, opcode] : kernel.opcodes) {
    opcodes.Raw(name, "{\"warps\": " + std::to_string(opcode.warps) +
                          ", \"lanes\": " + std::to_string(opcode.lanes) + "}");
  }
  return Object(depth)
      .Field("launches", kernel.launches)
      .Field("blocks", kernel.blocks)
      .Raw("shapes", ShapesJson(kernel, depth + 1))
      .Field("warp_instructions", kernel.warp_instructions)
      .Field("thread_instructions", kernel.thread_instructions)
      .Raw("global_loads", GlobalJson(kernel.loads, depth + 1))
      .Raw("global_stores", GlobalJson(kernel.stores, depth + 1))
      .Raw("global_atomics", GlobalJson(kernel.atomics, depth + 1))
      .Raw("shared_loads", SharedJson(kernel.shared_loads, depth + 1))
      .Raw("shared_stores", SharedJson(kernel.shared_stores, depth + 1))
      .Raw("shared_atomics", SharedJson(kernel.shared_atomics, depth + 1))
      .Field("cluster_shared_requests", kernel.cluster_shared_requests)
      .Field("mma_macs", kernel.mma_macs)
      .Field("wgmma_macs", kernel.wgmma_macs)
      .Field("bulk_load_bytes", kernel.bulk_load_bytes)
      .Field("bulk_store_bytes", kernel.bulk_store_bytes)
      .Raw("opcodes", opcodes.Text())
      .Text();
}

}  // namespace

void KernelCounters::Add(const KernelCounters& other) {
  launches += other.launches;
  blocks += other.blocks;
  for (const auto& [shape, seen] : other.shapes) {
    shapes[shape].launches += seen.launches;
    shapes[shape].blocks_max = std::max(shapes[shape].blocks_max, seen.blocks_max);
  }
  warp_instructions += other.warp_instructions;
  thread_instructions += other.thread_instructions;
  AddGlobal(&loads, other.loads);
  AddGlobal(&stores, other.stores);
  AddGlobal(&atomics, other.atomics);
  AddShared(&shared_loads, other.shared_loads);
  AddShared(&shared_stores, other.shared_stores);
  AddShared(&shared_atomics, other.shared_atomics);
  cluster_shared_requests += other.cluster_shared_requests;
  mma_macs += other.mma_macs;
  wgmma_macs += other.wgmma_macs;
  bulk_load_bytes += other.bulk_load_bytes;
  bulk_store_bytes += other.bulk_store_bytes;
  for (const auto& [name, opcode] : other.opcodes) {
    opcodes[name].warps += opcode.warps;
    opcodes[name].lanes += opcode.lanes;
  }
}

void Counters::Add(const std::string& kernel, const KernelCounters& counters) {
  const std::lock_guard lock(mutex_);
  kernels_[kernel].Add(counters);
}

KernelCounters Counters::Of(const std::string& kernel) const {
  const std::lock_guard lock(mutex_);
  const auto it = kernels_.find(kernel);
  return it == kernels_.end() ? KernelCounters() : it->second;
}

std::string Counters::Json() const {
  const std::lock_guard lock(mutex_);
  Object kernels(1);
  for (const auto& [name, kernel] : kernels_) kernels.Raw(name, KernelJson(kernel, 2));
  return Object(0).Raw("kernels", kernels.Text()).Text() + "\n";
}

}  // namespace emu
