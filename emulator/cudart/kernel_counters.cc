#include "emulator/cudart/kernel_counters.h"

#include <cuda_occupancy.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "emulator/cudart/occupancy.h"

namespace emu {
namespace {

using Json = nlohmann::json;

// Reads numbers out of a file that may hold anything.
class Reader {
 public:
  bool ok() const { return ok_; }

  // Null, and no longer ok, where there is none.
  const Json& Member(const Json& object, const char* name) {
    static const Json* const none = new Json();
    const auto it = object.find(name);  // the end where this is no object
    if (it != object.end()) return *it;
    ok_ = false;
    return *none;
  }
  // Zero, and no longer ok, where there is none or it is larger than `most`.
  uint64_t Number(const Json& object, const char* name, uint64_t most) {
    const Json& value = Member(object, name);
    if (value.is_number_unsigned() && value.get<uint64_t>() <= most) return value.get<uint64_t>();
    ok_ = false;
    return 0;
  }
  void AddRatio(const Json& access, const char* needed, const char* moved,
                CountedKernel::Ratio* ratio) {
    constexpr uint64_t kMost = uint64_t{1} << 60;
    ratio->needed += Number(access, needed, kMost);
    ratio->moved += Number(access, moved, kMost);
  }

 private:
  bool ok_ = true;
};

// "100.0": nothing moved that need not be. "-": nothing moved.
std::string Percent(const CountedKernel::Ratio& ratio) {
  if (ratio.needed == 0) return "-";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f",
                100.0 * static_cast<double>(ratio.moved) / static_cast<double>(ratio.needed));
  return text;
}

}  // namespace

bool AddCounters(const std::string& path, std::map<std::string, CountedKernel>* kernels,
                 std::string* error) {
  std::ifstream input(path);
  const Json file = Json::parse(input, nullptr, /*allow_exceptions=*/false);
  Reader reader;
  for (const auto& [name, kernel] : reader.Member(file, "kernels").items()) {
    CountedKernel& to = (*kernels)[name];
    for (const Json& shape : reader.Member(kernel, "shapes")) {
      to.shapes.emplace(reader.Number(shape, "threads", kMaxThreadsPerBlock),
                        reader.Number(shape, "dynamic_shared_bytes", kMaxSharedPerBlock));
    }
    reader.AddRatio(reader.Member(kernel, "global_loads"), "ideal_sectors", "sectors", &to.loads);
    reader.AddRatio(reader.Member(kernel, "global_stores"), "ideal_sectors", "sectors", &to.stores);
    reader.AddRatio(reader.Member(kernel, "shared_loads"), "ideal_wavefronts", "wavefronts",
                    &to.shared_loads);
    reader.AddRatio(reader.Member(kernel, "shared_stores"), "ideal_wavefronts", "wavefronts",
                    &to.shared_stores);
  }
  if (!reader.ok()) *error = path + ": not the counters of an emulated run";
  return reader.ok();
}

Occupancy OccupancyOf(const CubinKernel& kernel, int threads, int64_t dynamic_shared_bytes) {
  cudaOccDeviceProp h100;
  h100.computeMajor = 9;
  h100.computeMinor = 0;
  h100.maxThreadsPerBlock = kMaxThreadsPerBlock;
  h100.maxThreadsPerMultiprocessor = kMaxThreadsPerMultiprocessor;
  h100.regsPerBlock = kRegistersPerMultiprocessor;
  h100.regsPerMultiprocessor = kRegistersPerMultiprocessor;
  h100.warpSize = 32;
  h100.sharedMemPerBlock = kDefaultSharedPerBlock;
  h100.sharedMemPerMultiprocessor = kSharedPerMultiprocessor;
  h100.numSms = kNumMultiprocessors;
  h100.sharedMemPerBlockOptin = kMaxSharedPerBlock;
  h100.reservedSharedMemPerBlock = kReservedSharedPerBlock;
  cudaOccFuncAttributes function;
  function.maxThreadsPerBlock = kMaxThreadsPerBlock;
  function.numRegs = kernel.num_registers;
  // Of what ptxas names as static, the calculator adds the system's part by itself.
  function.sharedSizeBytes = kernel.static_shared_bytes > kReservedSharedPerBlock
                                 ? kernel.static_shared_bytes - kReservedSharedPerBlock
                                 : 0;
  function.partitionedGCConfig = PARTITIONED_GC_OFF;
  function.shmemLimitConfig = FUNC_SHMEM_LIMIT_OPTIN;
  function.maxDynamicSharedSizeBytes = kMaxSharedPerBlock;
  function.numBlockBarriers = 1;
  const cudaOccDeviceState state;
  cudaOccResult result{};
  if (cudaOccMaxActiveBlocksPerMultiprocessor(&result, &h100, &function, &state, threads,
                                              static_cast<size_t>(dynamic_shared_bytes)) !=
      CUDA_OCC_SUCCESS) {
    return {};
  }
  Occupancy occupancy{.blocks = result.activeBlocksPerMultiprocessor, .limit = ""};
  constexpr std::pair<unsigned, const char*> kLimits[] = {
      {OCC_LIMIT_WARPS, "warps"},
      {OCC_LIMIT_REGISTERS, "registers"},
      {OCC_LIMIT_SHARED_MEMORY, "shared memory"},
      {OCC_LIMIT_BLOCKS, "blocks"}};
  for (const auto& [bit, name] : kLimits) {
    if ((result.limitingFactors & bit) == 0) continue;
    occupancy.limit += (occupancy.limit.empty() ? "" : ", ") + std::string(name);
  }
  return occupancy;
}

void PrintShapesHeader() {
  std::printf(
      "\n| kernel | threads | dynamic shared bytes | blocks of an SM | warps of an SM | limit |\n"
      "|---|---|---|---|---|---|\n");
}

void PrintShapes(const std::string& name, const CubinKernel& kernel, const CountedKernel& counted) {
  for (const auto& [threads, dynamic_shared_bytes] : counted.shapes) {
    const Occupancy occupancy = OccupancyOf(kernel, threads, dynamic_shared_bytes);
    std::printf("| `%s` | %d | %lld | %d | %d | %s |\n", name.c_str(), threads,
                static_cast<long long>(dynamic_shared_bytes), occupancy.blocks,
                occupancy.blocks * ((threads + 31) / 32), occupancy.limit.c_str());
  }
}

void PrintAccessesHeader() {
  std::printf(
      "\n| kernel | load sectors | store sectors | shared loads | shared stores |\n"
      "|---|---|---|---|---|\n");
}

void PrintAccesses(const std::string& name, const CountedKernel& counted) {
  std::printf("| `%s` | %s | %s | %s | %s |\n", name.c_str(), Percent(counted.loads).c_str(),
              Percent(counted.stores).c_str(), Percent(counted.shared_loads).c_str(),
              Percent(counted.shared_stores).c_str());
}

}  // namespace emu
