#include "emulator/ptx/block.h"

#include <algorithm>
#include <cstring>

#include "emulator/ptx/kernel.h"
#include "emulator/ptx/shared_window.h"
#include "emulator/ptx/special_registers.h"

namespace emu {
namespace {

constexpr size_t kRegisterAlign = 64;
constexpr size_t kSharedAlign = 1024;
constexpr int kPoison = 0xff;  // a NaN in f32, bf16, f16 and e4m3

std::byte* AlignUp(std::byte* pointer, size_t align) {
  const auto value = reinterpret_cast<uintptr_t>(pointer);
  return pointer + ((align - value % align) % align);
}

size_t RegisterStride(const Kernel& kernel) {
  return (kernel.register_bytes() + kRegisterAlign - 1) / kRegisterAlign * kRegisterAlign;
}

void FillSplats(const LaunchContext& launch, std::byte* registers) {
  for (const Splat& splat : launch.kernel->splats()) {
    uint64_t bits = splat.bits;
    if (splat.in_param_block) bits += reinterpret_cast<uint64_t>(launch.params);
    if (splat.wide) {
      std::fill_n(reinterpret_cast<uint64_t*>(registers + splat.slot), kWarpSize, bits);
    } else {
      std::fill_n(reinterpret_cast<uint32_t*>(registers + splat.slot), kWarpSize,
                  static_cast<uint32_t>(bits));
    }
  }
}

}  // namespace

Block::Block(const LaunchContext& launch, GangState& gang) : launch_(&launch), gang_(&gang) {
  const Kernel& kernel = *launch.kernel;
  const size_t num_warps = (launch.config->block.Count() + kWarpSize - 1) / kWarpSize;
  warps_.resize(num_warps);
  shared_storage_.resize(launch.shared_bytes + kSharedAlign);
  shared_ = AlignUp(shared_storage_.data(), kSharedAlign);
  registers_.resize(RegisterStride(kernel) * num_warps + kRegisterAlign);
  std::memset(registers_.data(), kPoison, registers_.size());
  local_.resize(size_t{kernel.local_bytes()} * num_warps * kWarpSize + kRegisterAlign);
  for (size_t i = 0; i < num_warps; ++i) {
    FillSplats(launch, AlignUp(registers_.data(), kRegisterAlign) + RegisterStride(kernel) * i);
  }
}

void Block::Start(uint64_t index, Cluster* cluster, uint32_t rank) {
  const Kernel& kernel = *launch_->kernel;
  const Dim3& grid = launch_->config->grid;
  index_ = index;
  position_ = {static_cast<uint32_t>(index % grid.x),
               static_cast<uint32_t>(index / grid.x % grid.y),
               static_cast<uint32_t>(index / grid.x / grid.y)};
  cluster_ = cluster;
  rank_ = rank;
  std::memset(shared_, kPoison, launch_->shared_bytes);
  if (kernel.uses_reserved_shared()) {
    std::memset(shared_ + launch_->shared_bytes - kReservedSharedBytes, 0, kReservedSharedBytes);
  }
  live_warps_ = static_cast<int>(warps_.size());
  barriers_.Reset(warps_.size());
  warpgroups_.clear();
  const uint64_t threads = launch_->config->block.Count();
  for (uint32_t i = 0; i < warps_.size(); ++i) {
    const uint64_t lanes = std::min<uint64_t>(kWarpSize, threads - uint64_t{i} * kWarpSize);
    std::byte* registers = AlignUp(registers_.data(), kRegisterAlign) + RegisterStride(kernel) * i;
    warps_[i].Start(
        this, i, registers,
        AlignUp(local_.data(), kRegisterAlign) + size_t{kernel.local_bytes()} * kWarpSize * i,
        lanes == kWarpSize ? kAllLanes : (LaneMask{1} << lanes) - 1);
    for (const SpecialSlot& special : kernel.specials()) {
      FillSpecialRegister(special.which, warps_[i], warps_[i].Lanes<uint32_t>(special.slot));
    }
    for (const Scratch& scratch : kernel.scratch()) {
      std::memset(registers + scratch.slot, 0, scratch.bytes);
    }
  }
  if (observer() != nullptr) observer()->OnBlockStart(*this);
}

void Block::WarpExited(Warp& warp) {
  --live_warps_;
  if (observer() != nullptr) observer()->OnWarpExit(warp);
  LanesExited();
}

void Block::LanesExited() {
  barriers_.CheckExits(*this);
  cluster_->barrier.CheckExits(*cluster_);
}

Warpgroup& Block::WarpgroupOf(const Warp& warp) {
  const size_t group = warp.index() / kWarpsPerGroup;
  if ((group + 1) * kWarpsPerGroup > warps_.size()) {
    throw Fault(FaultKind::kIllegalOperation, "the block ends within this warp's warpgroup");
  }
  while (warpgroups_.size() <= group) warpgroups_.push_back(std::make_unique<Warpgroup>());
  return *warpgroups_[group];
}

}  // namespace emu
