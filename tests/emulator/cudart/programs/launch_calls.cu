// Kernels launched and asked about without <<<>>>: by pointer, as a graph's node, in the block that
// they require.
#include "tests/emulator/cudart/programs/check.h"

__global__ void Add(int* cell, int value) { atomicAdd(cell, value); }
__global__ void __block_size__((32, 2, 1)) Sized(int* cell) { atomicAdd(cell, 1); }
__global__ void Clustered(int* cell) { atomicAdd(cell, 1); }

static const void* const kAdd = reinterpret_cast<const void*>(Add);

static int Read(const int* cell) {
  int value = -1;
  CHECK_CUDA(cudaMemcpy(&value, cell, sizeof value, cudaMemcpyDeviceToHost));
  return value;
}

static void LaunchByPointer(int* cell) {
  int value = 5;
  void* args[] = {&cell, &value};
  CHECK_CUDA(cudaMemset(cell, 0, sizeof(int)));
  CHECK_CUDA(cudaFuncSetCacheConfig(kAdd, cudaFuncCachePreferL1));
  CHECK_CUDA(cudaLaunchKernel(kAdd, dim3(2), dim3(4), args, 0, nullptr));
  CHECK(Read(cell) == 2 * 4 * 5);
  EXPECT_CUDA(cudaErrorInvalidDeviceFunction,
              cudaLaunchKernel(&value, dim3(1), dim3(1), args, 0, nullptr));
  EXPECT_CUDA(cudaErrorInvalidDeviceFunction,
              cudaFuncSetCacheConfig(&value, cudaFuncCachePreferL1));
  cudaGetLastError();
}

static void LaunchAsANode(int* cell) {
  int value = 3;
  void* args[] = {&cell, &value};
  cudaKernelNodeParams params = {};
  params.func = const_cast<void*>(kAdd);
  params.gridDim = dim3(1);
  params.blockDim = dim3(8);
  params.kernelParams = args;
  cudaGraph_t graph;
  cudaGraphNode_t first, second;
  CHECK_CUDA(cudaGraphCreate(&graph, 0));
  CHECK_CUDA(cudaGraphAddKernelNode(&first, graph, nullptr, 0, &params));
  value = 4;  // the first node has its arguments already
  CHECK_CUDA(cudaGraphAddKernelNode(&second, graph, &first, 1, &params));
  params.blockDim = dim3(1025);
  EXPECT_CUDA(cudaErrorInvalidConfiguration,
              cudaGraphAddKernelNode(&second, graph, nullptr, 0, &params));
  cudaGetLastError();
  cudaGraphExec_t exec;
  CHECK_CUDA(cudaGraphInstantiate(&exec, graph, 0));
  CHECK_CUDA(cudaMemset(cell, 0, sizeof(int)));
  for (int i = 0; i < 2; ++i) CHECK_CUDA(cudaGraphLaunch(exec, nullptr));
  CHECK(Read(cell) == 2 * 8 * (3 + 4));
  CHECK_CUDA(cudaGraphExecDestroy(exec));
  CHECK_CUDA(cudaGraphDestroy(graph));
}

static void BlocksAreAsRequired(int* cell) {
  CHECK_CUDA(cudaMemset(cell, 0, sizeof(int)));
  Sized<<<1, dim3(32, 2)>>>(cell);
  CHECK_CUDA(cudaGetLastError());
  CHECK(Read(cell) == 64);
  for (const dim3 block : {dim3(64), dim3(32), dim3(2, 32)}) {
    Sized<<<1, block>>>(cell);
    EXPECT_CUDA(cudaErrorInvalidValue, cudaGetLastError());
  }
  CHECK(Read(cell) == 64);
}

static void ClustersThatFit() {
  cudaLaunchAttribute attribute = {};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim.x = 2;
  attribute.val.clusterDim.y = attribute.val.clusterDim.z = 1;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(16);
  config.blockDim = dim3(1024);
  config.attrs = &attribute;
  config.numAttrs = 1;
  int number = 0;
  CHECK_CUDA(cudaOccupancyMaxActiveClusters(&number, Clustered, &config));
  CHECK(number == 132);  // two blocks on each of 132 multiprocessors
  CHECK_CUDA(cudaOccupancyMaxPotentialClusterSize(&number, Clustered, &config));
  CHECK(number == 8);
  attribute.val.clusterDim.x = 16;
  EXPECT_CUDA(cudaErrorInvalidClusterSize,
              cudaOccupancyMaxActiveClusters(&number, Clustered, &config));
  cudaGetLastError();
  CHECK_CUDA(cudaFuncSetAttribute(Clustered, cudaFuncAttributeNonPortableClusterSizeAllowed, 1));
  CHECK_CUDA(cudaOccupancyMaxPotentialClusterSize(&number, Clustered, &config));
  CHECK(number == 16);
}

int main() {
  int* cell;
  CHECK_CUDA(cudaMalloc(&cell, sizeof(int)));
  LaunchByPointer(cell);
  LaunchAsANode(cell);
  BlocksAreAsRequired(cell);
  ClustersThatFit();
  CHECK_CUDA(cudaFree(cell));
  return 0;
}
