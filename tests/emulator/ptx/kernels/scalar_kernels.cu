// Ordinary CUDA for scalar_kernels_test.cc: what nvcc makes of cooperative groups, device functions,
// wide integers, switches, small floats, printf-free asserts, spinning blocks.
#include <cooperative_groups.h>
#include <cooperative_groups/reduce.h>
#include <cooperative_groups/scan.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <cassert>
#include <cstdint>

namespace cg = cooperative_groups;

// out[i]: sum, exclusive scan and maximum within groups of 8.
extern "C" __global__ void tiles(const int* in, int* out) {
  const auto block = cg::this_thread_block();
  const auto tile = cg::tiled_partition<8>(block);
  const int i = block.thread_rank();
  const int sum = cg::reduce(tile, in[i], cg::plus<int>());
  const int scan = cg::exclusive_scan(tile, in[i]);
  const int most = cg::reduce(tile, in[i], cg::greater<int>());
  out[i * 3] = sum;
  out[i * 3 + 1] = scan;
  out[i * 3 + 2] = most + tile.shfl_xor(in[i], 1);
}

// The same for groups of two warps, which meet in shared memory that the toolkit reserves.
extern "C" __global__ void wide_tiles(const int* in, int* out) {
  const auto block = cg::this_thread_block();
  const auto tile = cg::tiled_partition<64>(block);
  const int i = block.thread_rank();
  int sum = 0;
  for (int round = 0; round < 3; ++round) sum += cg::reduce(tile, in[i] + round, cg::plus<int>());
  tile.sync();
  out[i] = sum + tile.any(in[i] == 1);
}

// Every thread sums all of data behind one grid barrier, and stores behind another.
extern "C" __global__ void grid_sums(int* data, int n) {
  const auto grid = cg::this_grid();
  for (int i = grid.thread_rank(); i < n; i += grid.size()) data[i] = i;
  grid.sync();
  int sum = 0;
  for (int i = 0; i < n; ++i) sum += data[i];
  grid.sync();
  if (grid.thread_rank() < n) data[grid.thread_rank()] = sum + grid.thread_rank();
}

extern "C" __global__ void __cluster_dims__(4, 1, 1) clusters(int* out) {
  __shared__ int x;
  const auto cluster = cg::this_cluster();
  if (threadIdx.x == 0) x = cluster.block_rank() + 10;
  cluster.sync();
  int* next = cluster.map_shared_rank(&x, (cluster.block_rank() + 1) % cluster.num_blocks());
  out[blockIdx.x * blockDim.x + threadIdx.x] = *next;
  cluster.sync();
  atomicAdd(cluster.map_shared_rank(&x, 0), 1);
  cluster.sync();
  if (cluster.block_rank() == 0 && threadIdx.x == 0) out[blockIdx.x * blockDim.x] = x;
}

__device__ __noinline__ float Iterate(float x, int n) {
  float history[4] = {x, 1, 2, 3};
  for (int i = 0; i < n; ++i) history[i & 3] = history[(i + 3) & 3] * 0.5f + 1.0f;
  return history[n & 3] + history[(n + 1) & 3];
}

extern "C" __global__ void functions(float* values, int n) {
  assert(n < 100);
  const int i = threadIdx.x;
  values[i] = Iterate(values[i], n + i % 3) + Iterate(1.0f, i);
}

extern "C" __global__ void wide(const uint64_t* in, uint64_t* out) {
  const int i = threadIdx.x;
  const uint64_t a = in[i], b = in[i + 1];
  const unsigned __int128 product = (unsigned __int128)a * b + a;
  uint64_t r = (uint64_t)(product >> 64) ^ (uint64_t)product;
  switch (i & 7) {
    case 0: r += a / (b | 1); break;
    case 1: r += a % (b | 1); break;
    case 2: r ^= (uint64_t)((int64_t)a >> (b & 63)); break;
    case 3: r += __popcll(a) * 1000 + __clzll(b); break;
    case 4: r += __brevll(a); break;
    case 5: r -= (uint64_t)((int64_t)a / 1000); break;
    case 6: r *= (uint32_t)a % 7; break;
  }
  out[i] = r;
}

extern "C" __global__ void halves(const float* in, float* out) {
  const int i = threadIdx.x;
  const __half2 h = __hfma2(__float2half2_rn(in[i]), __float2half2_rn(2.0f), __float2half2_rn(0.25f));
  const __nv_bfloat162 b = __hmax2(__float2bfloat162_rn(in[i]), __float2bfloat162_rn(0.0f));
  const __nv_fp8_e4m3 q(in[i]);
  out[i * 3] = __low2float(h);
  out[i * 3 + 1] = __high2float(b);
  out[i * 3 + 2] = float(q);
}

// Block b adds its sum to what block b - 1 left, for which it spins.
extern "C" __global__ void chained(const int* in, volatile int* carry, int* out) {
  __shared__ int sum;
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (threadIdx.x == 0) sum = 0;
  __syncthreads();
  atomicAdd(&sum, in[i]);
  __syncthreads();
  if (threadIdx.x == 0) {
    int before = 0;
    if (blockIdx.x > 0) {
      while ((before = carry[blockIdx.x - 1]) == 0) {
      }
    }
    __threadfence();
    carry[blockIdx.x] = before + sum;
    out[blockIdx.x] = before + sum;
  }
}
