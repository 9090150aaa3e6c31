// Sums rows over a cluster of four blocks through distributed shared memory: each block keeps the
// sum of its part of each row; every block then adds the four parts of its share of the rows.
//
// MUTATION 1: parts are read before the cluster has written them.
// MUTATION 2: a block overwrites its parts while others may still read them.
// MUTATION 3: blocks add their own part four times instead of one of each.
#include "tests/emulator/mutations/kernels/device.cuh"

constexpr int kThreads = 64;
constexpr int kBlocks = 4;

// x [rounds, 64, 4 * n], sums [rounds, 64]; block r of the cluster has columns r * n to (r + 1) *
// n.
extern "C" __global__ void __launch_bounds__(kThreads) __cluster_dims__(kBlocks, 1, 1)
    ClusterSum(const float* x, float* sums, int n, int rounds) {
  __shared__ float parts[kThreads];
  const uint32_t rank = ClusterRank();
  for (int round = 0; round < rounds; ++round) {
    const float* row = x + (size_t(round) * kThreads + threadIdx.x) * kBlocks * n + rank * n;
    float part = 0;
    for (int i = 0; i < n; ++i) part += row[i];
    parts[threadIdx.x] = part;
    ClusterArrive();
    if (MUTATION != 1) ClusterWait();
    if (threadIdx.x / 16 == rank) {
      float sum = 0;
      for (uint32_t block = 0; block < kBlocks; ++block) {
        sum += LoadCluster(
            MapToRank(SharedAddress(&parts[threadIdx.x]), MUTATION == 3 ? rank : block));
      }
      sums[round * kThreads + threadIdx.x] = sum;
    }
    if (MUTATION == 1) ClusterWait();
    if (MUTATION != 2) {
      ClusterArrive();
      ClusterWait();
    }
  }
  if (MUTATION == 2) {  // nobody leaves while its shared memory is read
    ClusterArrive();
    ClusterWait();
  }
}
