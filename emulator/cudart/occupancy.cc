#include "emulator/cudart/occupancy.h"

#include <algorithm>
#include <iterator>

namespace emu {
namespace {

constexpr int kWarp = 32;
constexpr int kSubPartitions = 4;
constexpr int kRegisterUnit = 256;  // registers are given to a warp in this many
constexpr size_t kSharedUnit = 128;
constexpr int kMaxRegistersPerThread = 255;
// 6 groups of 16 and 2 of 18: the full chip has 8 of 18, of which 12 multiprocessors are off.
constexpr int kGroups[] = {18, 18, 16, 16, 16, 16, 16, 16};

constexpr int RoundUp(int value, int unit) { return (value + unit - 1) / unit * unit; }
constexpr size_t RoundUp(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

int WarpsOf(const BlockShape& shape) { return RoundUp(shape.threads, kWarp) / kWarp; }

int RegistersPerWarp(const BlockShape& shape) {
  return RoundUp(shape.registers_per_thread * kWarp, kRegisterUnit);
}

// Warps live in four sub-partitions with a quarter of the registers each.
int WarpsByRegisters(const BlockShape& shape) {
  if (shape.registers_per_thread == 0) return kMaxThreadsPerMultiprocessor / kWarp;
  const int per_partition = kRegistersPerMultiprocessor / kSubPartitions / RegistersPerWarp(shape);
  return per_partition * kSubPartitions;
}

size_t SharedOf(const BlockShape& shape) {
  return RoundUp(shape.static_shared_bytes + shape.dynamic_shared_bytes + kReservedSharedPerBlock,
                 kSharedUnit);
}

}  // namespace

bool RegistersFit(const BlockShape& shape) {
  return shape.registers_per_thread <= kMaxRegistersPerThread &&
         RegistersPerWarp(shape) * RoundUp(WarpsOf(shape), kSubPartitions) <=
             kRegistersPerMultiprocessor;
}

int BlocksPerMultiprocessor(const BlockShape& shape) {
  if (shape.threads <= 0 || shape.threads > kMaxThreadsPerBlock || !RegistersFit(shape)) return 0;
  const size_t shared = SharedOf(shape);
  if (shared - kReservedSharedPerBlock > kMaxSharedPerBlock) return 0;
  const int warps = WarpsOf(shape);
  const int by_warps = kMaxThreadsPerMultiprocessor / kWarp / warps;
  const int by_registers = WarpsByRegisters(shape) / warps;
  const int by_shared = static_cast<int>(kSharedPerMultiprocessor / shared);
  return std::min({kMaxBlocksPerMultiprocessor, by_warps, by_registers, by_shared});
}

int ActiveClusters(const BlockShape& shape, int cluster_blocks) {
  const int blocks = BlocksPerMultiprocessor(shape);
  if (cluster_blocks <= 0 || cluster_blocks > kMaxCluster) return 0;
  int clusters = 0;
  for (const int multiprocessors : kGroups) clusters += multiprocessors * blocks / cluster_blocks;
  return clusters;
}

}  // namespace emu
