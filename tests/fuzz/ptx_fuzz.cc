// PTX as any program may embed it: it parses or is refused with a line, and its kernels run to
// their end or to a report, in every mode.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/ptx/launch.h"
#include "emulator/ptx/memory_registry.h"
#include "emulator/ptx/module.h"

namespace {

constexpr size_t kMaxText = 1 << 16;
constexpr size_t kMaxKernels = 4;
constexpr uint64_t kSteps = 20'000;

// Device memory that every parameter of eight bytes points to.
struct Memory {
  Memory() { emu::RegisterMemory(words, sizeof words, "memory"); }
  alignas(256) uint64_t words[1024] = {};
};

std::vector<std::byte> ParamsOf(const emu::Kernel& kernel, const Memory& memory) {
  std::vector<std::byte> params(kernel.param_bytes(), std::byte{0});
  const uint64_t* address = memory.words;
  for (const emu::Param& param : kernel.params()) {
    if (param.size == sizeof address) {
      std::memcpy(params.data() + param.offset, &address, sizeof address);
    } else if (param.size <= 4) {
      params[param.offset] = std::byte{32};  // a count, as often as not
    }
  }
  return params;
}

emu::LaunchConfig ConfigOf(const emu::Kernel& kernel) {
  const emu::Shape3 block = kernel.required_block();
  const emu::Shape3 cluster = kernel.required_cluster();
  emu::LaunchConfig config = {.grid = {2}, .block = {40}};
  if (block.x != 0) config.block = {block.x, block.y, block.z};
  if (cluster.x != 0) config.grid = {cluster.x, cluster.y, cluster.z};
  return config;
}

emu::Options OptionsOf(size_t mode) {
  using emu::AsyncCompletion;
  constexpr AsyncCompletion kAsync[] = {AsyncCompletion::kEager, AsyncCompletion::kLate,
                                        AsyncCompletion::kRandom};
  emu::Options options;
  options.schedule = mode % 2 == 0 ? emu::Schedule::kFixed : emu::Schedule::kRandom;
  options.async = kAsync[mode % 3];
  options.race = mode % 5 < 2;
  options.initcheck = mode % 7 == 0;
  options.numerics = mode % 4 == 0 ? emu::Numerics::kH100 : emu::Numerics::kFast;
  options.os_threads = 1;
  options.poll_limit = 20;
  options.step_limit = kSteps;
  return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Memory memory;
  if (size > kMaxText) return 0;
  std::string error;
  const auto module = emu::Module::Parse({reinterpret_cast<const char*>(data), size}, &error);
  if (module == nullptr) {
    if (!error.starts_with("line ")) __builtin_trap();
    return 0;
  }
  const std::vector<std::string_view> names = module->KernelNames();
  for (size_t i = 0; i < std::min(names.size(), kMaxKernels); ++i) {
    const emu::Kernel& kernel = *module->FindKernel(names[i]);
    emu::LaunchConfig config = ConfigOf(kernel);
    const std::vector<std::byte> params = ParamsOf(kernel, memory);
    config.params = params;
    const emu::LaunchResult result =
        emu::Launch(*module, kernel, config, OptionsOf(size + i), nullptr);
    if (!result.ok && result.fault.empty()) __builtin_trap();
  }
  return 0;
}
