// C[M, N] = A[M, K] B[N, K]^T with TMA, mbarrier pipelines and wgmma: a producer warp and two
// consumer warpgroups. bf16 with a bf16 result through stmatrix and a TMA store; e4m3 with scales
// for each 128 of K (and of N), into f32.
#include "tests/emulator/ptx/kernels/tensor_device.cuh"

namespace {

using device::TensorMap;

constexpr int kTileM = 128;
constexpr int kTileN = 64;
constexpr int kRowBytes = 128;  // of a tile along K
constexpr int kStages = 3;
constexpr int kStageA = kTileM * kRowBytes;
constexpr int kStageB = kTileN * kRowBytes;
constexpr int kStage = kStageA + kStageB;
constexpr int kConsumerWarps = 8;

struct Pipeline {
  uint32_t stages;
  uint32_t barriers;

  __device__ uint32_t Stage(int k) const {
    return stages + static_cast<uint32_t>(k % kStages * kStage);
  }
  __device__ uint32_t Full(int k) const {
    return barriers + static_cast<uint32_t>(k % kStages) * 16;
  }
  __device__ uint32_t Empty(int k) const { return Full(k) + 8; }
  __device__ static uint32_t Parity(int k) { return static_cast<uint32_t>(k / kStages) & 1; }

  __device__ void Init() const {
    for (int s = 0; s < kStages; ++s) {
      device::InitBarrier(Full(s), 1);
      device::InitBarrier(Empty(s), kConsumerWarps);
    }
    device::FenceBarrierInit();
  }
};

__device__ void Produce(const Pipeline& pipeline, const TensorMap* a, const TensorMap* b, int steps,
                        int step_elements, int row, int column) {
  for (int k = 0; k < steps; ++k) {
    device::Wait(pipeline.Empty(k), Pipeline::Parity(k) ^ 1);
    device::ArriveExpect(pipeline.Full(k), kStage);
    device::LoadBox2(pipeline.Stage(k), a, pipeline.Full(k), k * step_elements, row);
    device::LoadBox2(pipeline.Stage(k) + kStageA, b, pipeline.Full(k), k * step_elements, column);
  }
}

__device__ Pipeline MakePipeline(uint8_t* shared) {
  const Pipeline pipeline{device::SharedAddress(shared),
                          device::SharedAddress(shared) + kStages * kStage};
  if (threadIdx.x == 0) pipeline.Init();
  __syncthreads();
  return pipeline;
}

// Four steps along K within the 128-byte rows.
template <bool kBytes>
__device__ void MultiplyStage(float (&acc)[32], uint32_t stage, int group, int first_add) {
  const uint64_t a =
      device::Descriptor(stage + static_cast<uint32_t>(group * 64 * kRowBytes), 16, 1024);
  const uint64_t b = device::Descriptor(stage + kStageA, 16, 1024);
  device::FenceWgmma();
#pragma unroll
  for (int step = 0; step < 4; ++step) {
    const int add = step > 0 ? 1 : first_add;
    if constexpr (kBytes) {
      device::WgmmaE4m3(acc, a + step * 2, b + step * 2, add);
    } else {
      device::WgmmaBf16(acc, a + step * 2, b + step * 2, add);
    }
  }
  device::CommitWgmma();
}

__device__ uint32_t Pack(float low, float high) {
  const __nv_bfloat162 pair = __floats2bfloat162_rn(low, high);
  return *reinterpret_cast<const uint32_t*>(&pair);
}

// A warpgroup's 64 x 64 results as bf16 in 128-byte swizzled rows.
__device__ void StoreResults(const float (&acc)[32], uint32_t tile) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32 % 4;
#pragma unroll
  for (int pair = 0; pair < 4; ++pair) {  // 16 columns: two 8-column blocks
    uint32_t r[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) r[i] = Pack(acc[pair * 8 + i * 2], acc[pair * 8 + i * 2 + 1]);
    // Matrices 0 and 1 are the rows 0-7 and 8-15 of the first block, 2 and 3 of the second.
    const int row = warp * 16 + lane % 8 + (lane / 8 % 2) * 8;
    const int chunk = pair * 2 + lane / 16;
    device::StoreMatrix4(tile + static_cast<uint32_t>(row * 128 + ((chunk ^ row % 8) << 4)), r);
  }
}

}  // namespace

extern "C" __global__ void __launch_bounds__(384, 1)
    GemmBf16(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b,
             const __grid_constant__ TensorMap c, int k) {
  extern __shared__ __align__(1024) uint8_t shared[];
  const Pipeline pipeline = MakePipeline(shared);
  const int row = blockIdx.y * kTileM;
  const int column = blockIdx.x * kTileN;
  const int steps = (k + 63) / 64;
  const int group = threadIdx.x / 128;
  if (group == 2) {
    device::ShrinkRegisters<40>();
    if (threadIdx.x == 256) {
      device::PrefetchMap(&a);
      device::PrefetchMap(&b);
      Produce(pipeline, &a, &b, steps, 64, row, column);
    }
    return;
  }
  device::GrowRegisters<232>();
  float acc[32];
  for (int step = 0; step < steps; ++step) {
    device::Wait(pipeline.Full(step), Pipeline::Parity(step));
    MultiplyStage<false>(acc, pipeline.Stage(step), group, step > 0);
    // One stage behind: the step before is done, its stage can be filled again.
    device::WaitWgmma<1>();
    if (step > 0 && threadIdx.x % 32 == 0) device::Arrive(pipeline.Empty(step - 1));
  }
  device::WaitWgmma<0>();
  // The last stages have been read: their memory takes the results.
  device::SyncNamed(1, 256);
  const uint32_t tile = pipeline.stages + static_cast<uint32_t>(group * 64 * 128);
  StoreResults(acc, tile);
  device::FenceProxyAsync();
  device::SyncNamed(2 + group, 128);
  if (threadIdx.x % 128 == 0) {
    device::StoreBox2(&c, tile, column, row + group * 64);
    device::CommitBulk();
    device::WaitBulkRead<0>();
  }
}

// scale_a [M, K / 128], scale_b [N / 128, K / 128]; K is a multiple of 128.
extern "C" __global__ void __launch_bounds__(384, 1)
    GemmE4m3(const __grid_constant__ TensorMap a, const __grid_constant__ TensorMap b,
             const float* scale_a, const float* scale_b, float* c, int m, int n, int k) {
  extern __shared__ __align__(1024) uint8_t shared[];
  const Pipeline pipeline = MakePipeline(shared);
  const int row = blockIdx.y * kTileM;
  const int column = blockIdx.x * kTileN;
  const int steps = k / 128;
  const int group = threadIdx.x / 128;
  if (group == 2) {
    device::ShrinkRegisters<40>();
    if (threadIdx.x == 256) Produce(pipeline, &a, &b, steps, 128, row, column);
    return;
  }
  device::GrowRegisters<232>();
  const int lane = threadIdx.x % 32;
  const int first_row = row + group * 64 + threadIdx.x / 32 % 4 * 16 + lane / 4;
  float acc[32] = {};
  for (int step = 0; step < steps; ++step) {
    const float block = scale_b[column / 128 * steps + step];
    const float low = first_row < m ? scale_a[first_row * steps + step] * block : 0;
    const float high = first_row + 8 < m ? scale_a[(first_row + 8) * steps + step] * block : 0;
    float part[32];
    device::Wait(pipeline.Full(step), Pipeline::Parity(step));
    MultiplyStage<true>(part, pipeline.Stage(step), group, 0);
    device::WaitWgmma<0>();
    if (lane == 0) device::Arrive(pipeline.Empty(step));
#pragma unroll
    for (int i = 0; i < 32; ++i) acc[i] += part[i] * (i & 2 ? high : low);
  }
#pragma unroll
  for (int i = 0; i < 32; ++i) {
    const int r = first_row + (i & 2 ? 8 : 0);
    const int q = column + i / 4 * 8 + lane % 4 * 2 + (i & 1);
    if (r < m && q < n) c[r * n + q] = acc[i];
  }
}
