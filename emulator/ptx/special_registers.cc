#include "emulator/ptx/special_registers.h"

#include "emulator/ptx/block.h"
#include "emulator/ptx/shared_window.h"

namespace emu {
namespace {

struct Row {
  std::string_view name;
  SpecialRegister which;
};

constexpr Row kRows[] = {
    {"%tid.x", SpecialRegister::kTidX},
    {"%tid.y", SpecialRegister::kTidY},
    {"%tid.z", SpecialRegister::kTidZ},
    {"%ntid.x", SpecialRegister::kNtidX},
    {"%ntid.y", SpecialRegister::kNtidY},
    {"%ntid.z", SpecialRegister::kNtidZ},
    {"%ctaid.x", SpecialRegister::kCtaidX},
    {"%ctaid.y", SpecialRegister::kCtaidY},
    {"%ctaid.z", SpecialRegister::kCtaidZ},
    {"%nctaid.x", SpecialRegister::kNctaidX},
    {"%nctaid.y", SpecialRegister::kNctaidY},
    {"%nctaid.z", SpecialRegister::kNctaidZ},
    {"%laneid", SpecialRegister::kLaneId},
    {"%warpid", SpecialRegister::kWarpId},
    {"%nwarpid", SpecialRegister::kNwarpId},
    {"%smid", SpecialRegister::kSmId},
    {"%nsmid", SpecialRegister::kNsmId},
    {"%gridid", SpecialRegister::kGridId},
    {"%lanemask_eq", SpecialRegister::kLanemaskEq},
    {"%lanemask_lt", SpecialRegister::kLanemaskLt},
    {"%lanemask_le", SpecialRegister::kLanemaskLe},
    {"%lanemask_gt", SpecialRegister::kLanemaskGt},
    {"%lanemask_ge", SpecialRegister::kLanemaskGe},
    {"%clusterid.x", SpecialRegister::kClusterIdX},
    {"%clusterid.y", SpecialRegister::kClusterIdY},
    {"%clusterid.z", SpecialRegister::kClusterIdZ},
    {"%nclusterid.x", SpecialRegister::kNclusterIdX},
    {"%nclusterid.y", SpecialRegister::kNclusterIdY},
    {"%nclusterid.z", SpecialRegister::kNclusterIdZ},
    {"%cluster_ctaid.x", SpecialRegister::kClusterCtaidX},
    {"%cluster_ctaid.y", SpecialRegister::kClusterCtaidY},
    {"%cluster_ctaid.z", SpecialRegister::kClusterCtaidZ},
    {"%cluster_nctaid.x", SpecialRegister::kClusterNctaidX},
    {"%cluster_nctaid.y", SpecialRegister::kClusterNctaidY},
    {"%cluster_nctaid.z", SpecialRegister::kClusterNctaidZ},
    {"%cluster_ctarank", SpecialRegister::kClusterCtarank},
    {"%cluster_nctarank", SpecialRegister::kClusterNctarank},
    {"%dynamic_smem_size", SpecialRegister::kDynamicSharedSize},
    {"%reserved_smem_offset_begin", SpecialRegister::kReservedBegin},
    {"%reserved_smem_offset_0", SpecialRegister::kReservedBegin},
    {"%reserved_smem_offset_1", SpecialRegister::kReservedBegin},
    {"%reserved_smem_offset_end", SpecialRegister::kReservedEnd},
    {"%reserved_smem_offset_cap", SpecialRegister::kReservedBytes},
    {"%envreg1", SpecialRegister::kEnvReg1},
    {"%envreg2", SpecialRegister::kEnvReg2},
    {"%total_smem_size", SpecialRegister::kTotalSharedSize},
};

constexpr uint32_t kNumMultiprocessors = 132;  // of an H100

uint32_t Axis(const Dim3& dim, int axis) { return axis == 0 ? dim.x : axis == 1 ? dim.y : dim.z; }

int AxisOf(SpecialRegister which, SpecialRegister x) {
  return static_cast<int>(which) - static_cast<int>(x);
}

bool IsAxisOf(SpecialRegister which, SpecialRegister x) {
  return AxisOf(which, x) >= 0 && AxisOf(which, x) < 3;
}

uint32_t PerWarpValue(SpecialRegister which, const Warp& warp) {
  const Block& block = warp.block();
  const LaunchConfig& config = *block.launch().config;
  const Dim3& cluster = config.cluster;
  auto axis = [which](const Dim3& dim, SpecialRegister x) { return Axis(dim, AxisOf(which, x)); };
  using S = SpecialRegister;
  if (IsAxisOf(which, S::kNtidX)) return axis(config.block, S::kNtidX);
  if (IsAxisOf(which, S::kCtaidX)) return axis(block.position(), S::kCtaidX);
  if (IsAxisOf(which, S::kNctaidX)) return axis(config.grid, S::kNctaidX);
  if (IsAxisOf(which, S::kClusterIdX)) {
    return axis(block.position(), S::kClusterIdX) / axis(cluster, S::kClusterIdX);
  }
  if (IsAxisOf(which, S::kNclusterIdX)) {
    return axis(config.grid, S::kNclusterIdX) / axis(cluster, S::kNclusterIdX);
  }
  if (IsAxisOf(which, S::kClusterCtaidX)) {
    return axis(block.position(), S::kClusterCtaidX) % axis(cluster, S::kClusterCtaidX);
  }
  if (IsAxisOf(which, S::kClusterNctaidX)) return axis(cluster, S::kClusterNctaidX);
  switch (which) {
    case S::kWarpId:
      return warp.index();
    case S::kNwarpId:
      return static_cast<uint32_t>((config.block.Count() + 31) / 32);
    case S::kSmId:
      return static_cast<uint32_t>(block.index() % kNumMultiprocessors);
    case S::kNsmId:
      return kNumMultiprocessors;
    case S::kClusterCtarank:
      return block.cluster_rank();
    case S::kClusterNctarank:
      return static_cast<uint32_t>(cluster.Count());
    case S::kIsExplicitCluster:
      return cluster.Count() > 1;
    case S::kDynamicSharedSize:
      return config.dynamic_shared_bytes;
    case S::kTotalSharedSize:
      return block.shared_bytes();
    case S::kReservedBegin:
      return block.shared_bytes() - kReservedSharedBytes;
    case S::kReservedEnd:
      return block.shared_bytes();
    case S::kReservedBytes:
      return kReservedSharedBytes;
    case S::kEnvReg1:
      return static_cast<uint32_t>(reinterpret_cast<uint64_t>(block.launch().grid_workspace) >> 32);
    case S::kEnvReg2:
      return static_cast<uint32_t>(reinterpret_cast<uint64_t>(block.launch().grid_workspace));
    default:
      return 0;
  }
}

}  // namespace

std::optional<SpecialRegister> FindSpecialRegister(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name == name) return row.which;
  }
  return std::nullopt;
}

void FillSpecialRegister(SpecialRegister which, const Warp& warp, uint32_t* lanes) {
  using S = SpecialRegister;
  const Dim3& block = warp.block().launch().config->block;
  const uint32_t uniform = PerWarpValue(which, warp);
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
    const uint32_t thread = warp.index() * kWarpSize + lane;
    const uint32_t bit = uint32_t{1} << lane;
    switch (which) {
      case S::kTidX:
        lanes[lane] = thread % block.x;
        break;
      case S::kTidY:
        lanes[lane] = thread / block.x % block.y;
        break;
      case S::kTidZ:
        lanes[lane] = thread / block.x / block.y;
        break;
      case S::kLaneId:
        lanes[lane] = lane;
        break;
      case S::kLanemaskEq:
        lanes[lane] = bit;
        break;
      case S::kLanemaskLt:
        lanes[lane] = bit - 1;
        break;
      case S::kLanemaskLe:
        lanes[lane] = bit | (bit - 1);
        break;
      case S::kLanemaskGt:
        lanes[lane] = ~(bit | (bit - 1));
        break;
      case S::kLanemaskGe:
        lanes[lane] = ~(bit - 1);
        break;
      default:
        lanes[lane] = uniform;
    }
  }
}

}  // namespace emu
