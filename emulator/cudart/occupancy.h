// How many blocks fit a multiprocessor of an H100: registers, warps, blocks and shared memory, by
// the allocation granularities that NVIDIA publishes for compute capability 9.0 (CUDA C++
// Programming Guide, table "Technical Specifications per Compute Capability").
//
// Pure functions. Thread: any. Units: bytes, threads.
#ifndef SWITCHYARD_EMULATOR_CUDART_OCCUPANCY_H_
#define SWITCHYARD_EMULATOR_CUDART_OCCUPANCY_H_

#include <cstddef>

namespace emu {

constexpr int kNumMultiprocessors = 132;
constexpr int kMaxThreadsPerBlock = 1024;
constexpr int kMaxThreadsPerMultiprocessor = 2048;
constexpr int kMaxBlocksPerMultiprocessor = 32;
constexpr int kRegistersPerMultiprocessor = 65536;
constexpr size_t kSharedPerMultiprocessor = 233472;
constexpr size_t kReservedSharedPerBlock = 1024;
constexpr size_t kMaxSharedPerBlock = 232448;     // after opting in
constexpr size_t kDefaultSharedPerBlock = 49152;  // without
constexpr int kMaxPortableCluster = 8;
constexpr int kMaxCluster = 16;

struct BlockShape {
  int threads = 0;
  int registers_per_thread = 0;
  size_t static_shared_bytes = 0;
  size_t dynamic_shared_bytes = 0;
};

// Blocks of this shape that one multiprocessor holds; 0: none fits.
int BlocksPerMultiprocessor(const BlockShape& shape);

// True when the registers of one block exist.
bool RegistersFit(const BlockShape& shape);

// Clusters of `cluster_blocks` blocks that are resident at once. Multiprocessors are taken in
// groups of 16 or 18 (a GPC); an H100 SXM has 132 of them in 8 groups, and a cluster stays in one.
int ActiveClusters(const BlockShape& shape, int cluster_blocks);

}  // namespace emu

#endif  // SWITCHYARD_EMULATOR_CUDART_OCCUPANCY_H_
