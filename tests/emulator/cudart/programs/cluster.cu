// Clusters by launch attribute: ranks, distributed shared memory, and the sizes that are refused.
#include <cooperative_groups.h>

#include "tests/emulator/cudart/programs/check.h"

namespace cg = cooperative_groups;

__global__ void SumOverCluster(int* out) {
  __shared__ int mine;
  const cg::cluster_group cluster = cg::this_cluster();
  if (threadIdx.x == 0) mine = static_cast<int>(blockIdx.x) + 1;
  cluster.sync();
  if (threadIdx.x == 0) {
    int sum = 0;
    for (unsigned r = 0; r < cluster.num_blocks(); ++r) sum += *cluster.map_shared_rank(&mine, r);
    out[blockIdx.x] = sum;
  }
  cluster.sync();
}

static cudaError_t Launch(int* out, unsigned blocks, unsigned cluster) {
  cudaLaunchAttribute attributes[2] = {};
  attributes[0].id = cudaLaunchAttributeClusterDimension;
  attributes[0].val.clusterDim.x = cluster;
  attributes[0].val.clusterDim.y = 1;
  attributes[0].val.clusterDim.z = 1;
  attributes[1].id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attributes[1].val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(blocks);
  config.blockDim = dim3(32);
  config.attrs = attributes;
  config.numAttrs = 2;
  return cudaLaunchKernelEx(&config, SumOverCluster, out);
}

int main() {
  int* out;
  CHECK_CUDA(cudaMalloc(&out, 64 * sizeof(int)));
  CHECK_CUDA(Launch(out, 8, 4));
  int back[16];
  CHECK_CUDA(cudaMemcpy(back, out, 8 * sizeof(int), cudaMemcpyDeviceToHost));
  for (int i = 0; i < 8; ++i) CHECK(back[i] == (i < 4 ? 10 : 26));
  EXPECT_CUDA(cudaErrorInvalidClusterSize, Launch(out, 6, 4));
  EXPECT_CUDA(cudaErrorInvalidClusterSize, Launch(out, 16, 16));
  cudaGetLastError();
  CHECK_CUDA(
      cudaFuncSetAttribute(SumOverCluster, cudaFuncAttributeNonPortableClusterSizeAllowed, 1));
  CHECK_CUDA(Launch(out, 16, 16));
  CHECK_CUDA(cudaMemcpy(back, out, sizeof back, cudaMemcpyDeviceToHost));
  CHECK(back[15] == 136);
  return 0;
}
