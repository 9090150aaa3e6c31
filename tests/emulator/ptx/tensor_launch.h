// Running a kernel of some PTX in a test: arguments, device memory, the five modes in which every
// kernel test runs, and a sixth in which copies end at random moments.
#ifndef SWITCHYARD_TESTS_EMULATOR_PTX_TENSOR_LAUNCH_H_
#define SWITCHYARD_TESTS_EMULATOR_PTX_TENSOR_LAUNCH_H_

#include <gtest/gtest.h>

#include <cstddef>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/ptx/launch.h"
#include "emulator/ptx/memory_registry.h"
#include "emulator/ptx/module.h"
#include "emulator/ptx/options.h"
#include "emulator/ptx/tensor_map.h"

namespace emu {

// Registered device memory of `count` elements.
template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : storage_((count * sizeof(T) + kAlign - 1) / kAlign + 1) {
    size_ = count;
    RegisterMemory(data(), count * sizeof(T), "a test's array");
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) {
    std::memcpy(data(), values.data(), values.size() * sizeof(T));
  }
  ~DeviceArray() { UnregisterMemory(data()); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() { return reinterpret_cast<T*>(storage_.data()); }
  size_t size() const { return size_; }
  T& operator[](size_t i) { return data()[i]; }
  std::vector<T> values() { return std::vector<T>(data(), data() + size_); }

 private:
  static constexpr size_t kAlign = 256;
  struct alignas(kAlign) Line {
    std::byte bytes[kAlign];
  };
  std::vector<Line> storage_;
  size_t size_ = 0;
};

// A parameter block in the layout of the ABI: each argument at a multiple of its alignment.
class Arguments {
 public:
  template <class T>
  Arguments& Add(const T& value) {
    const size_t at = (bytes_.size() + alignof(T) - 1) / alignof(T) * alignof(T);
    bytes_.resize(at + sizeof(T));
    std::memcpy(bytes_.data() + at, &value, sizeof(T));
    return *this;
  }
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::vector<std::byte> bytes_;
};

struct Mode {
  const char* name;
  const char* options;
};
inline constexpr Mode kModes[] = {
    {"fixed_eager", "schedule=fixed,async=eager"},
    {"fixed_late", "schedule=fixed,async=late"},
    {"race_late_random_1", "schedule=random,async=late,race=1,seed=1"},
    {"race_late_random_2", "schedule=random,async=late,race=1,seed=2"},
    {"race_late_random_3", "schedule=random,async=late,race=1,seed=3"},
    {"race_random", "schedule=random,async=random,race=1,seed=4"},
};

inline std::unique_ptr<Module> ParsePtx(std::string_view ptx) {
  std::string error;
  auto module = Module::Parse(ptx, &error);
  EXPECT_NE(module, nullptr) << error;
  return module;
}

inline std::unique_ptr<Module> ParsePtxFile(const std::string& path) {
  std::ifstream file(path);
  EXPECT_TRUE(file.good()) << path;
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  return ParsePtx(text);
}

struct KernelRun {
  Dim3 grid, block, cluster;
  uint32_t dynamic_shared_bytes = 0;
};

// The report of the launch; empty: it went well.
inline std::string RunKernel(const Module& module, std::string_view kernel_name,
                             const KernelRun& run, const Arguments& arguments,
                             std::string_view options_text) {
  const Kernel* kernel = module.FindKernel(kernel_name);
  if (kernel == nullptr) return "no kernel " + std::string(kernel_name);
  std::string error;
  const Options options = ParseOptions(options_text, &error);
  if (!error.empty()) return error;
  LaunchConfig config;
  config.grid = run.grid;
  config.block = run.block;
  config.cluster = run.cluster;
  config.dynamic_shared_bytes = run.dynamic_shared_bytes;
  std::vector<std::byte> params(arguments.bytes().begin(), arguments.bytes().end());
  params.resize(kernel->param_bytes());
  config.params = params;
  const LaunchResult result = Launch(module, *kernel, config, options, nullptr);
  return result.ok ? "" : result.fault;
}

// A 2-D tensor map over rows of `width` elements, dense; boxes of box_width x box_height.
struct Map2 {
  TensorType type = TensorType::kBf16;
  void* data = nullptr;
  uint64_t width = 0, height = 0;
  uint32_t box_width = 0, box_height = 0;
  TensorSwizzle swizzle = TensorSwizzle::k128B;
};
inline TensorMap MakeMap(const Map2& m) {
  const uint64_t dims[2] = {m.width, m.height};
  const uint64_t strides[1] = {m.width * TensorTypeBytes(m.type)};
  const uint32_t box[2] = {m.box_width, m.box_height};
  const uint32_t ones[2] = {1, 1};
  TiledArguments arguments;
  arguments.type = m.type;
  arguments.rank = 2;
  arguments.address = reinterpret_cast<uint64_t>(m.data);
  arguments.dims = dims;
  arguments.strides = strides;
  arguments.box = box;
  arguments.element_strides = ones;
  arguments.swizzle = m.swizzle;
  TensorMap map;
  EXPECT_EQ(EncodeTiled(arguments, &map), "");
  return map;
}

}  // namespace emu

#endif  // SWITCHYARD_TESTS_EMULATOR_PTX_TENSOR_LAUNCH_H_
