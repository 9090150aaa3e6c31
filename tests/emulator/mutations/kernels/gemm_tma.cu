// C (fp32) = A * B^T by wgmma, tiles of 128 x 64 x 128 bytes: one producer warp fills three stages
// by TMA, two consumer warpgroups of 64 x 64 read them. bf16, and e4m3 with a promotion to separate
// fp32 sums every 128 of K, each with the scales of its row block and column block.
//
// MUTATION 1: the producer does not wait for empty stages.
// MUTATION 2: the producer waits for the wrong parity.
// MUTATION 3: more bytes are expected than arrive.
// MUTATION 4: the accumulators are read before wgmma is waited for.
// MUTATION 5: the descriptor's stride is half of the tile's.
// MUTATION 6: a stage is released before the wgmma that reads it has ended.
// MUTATION 7: no barrier after the mbarriers' initialisation.
// MUTATION 8: no fence.mbarrier_init.
// MUTATION 9: consumers do not wait for the stage to be full.
// MUTATION 10: the empty barriers expect one arrival of eight.
#include "tests/emulator/mutations/kernels/device.cuh"

constexpr int kRows = 128;
constexpr int kColumns = 64;
constexpr int kDepthBytes = 128;
constexpr int kStages = 3;
constexpr int kThreads = 3 * 128;
constexpr int kBytesA = kRows * kDepthBytes;
constexpr int kBytesB = kColumns * kDepthBytes;
constexpr int kStageBytes = kBytesA + kBytesB;

struct Barriers {
  uint32_t base;
  DEVICE uint32_t full(int stage) const { return base + stage * 8; }
  DEVICE uint32_t empty(int stage) const { return base + (kStages + stage) * 8; }
};

DEVICE void InitBarriers(const Barriers& barriers) {
  if (threadIdx.x == 0) {
    for (int s = 0; s < kStages; ++s) {
      MbarrierInit(barriers.full(s), 1);
      MbarrierInit(barriers.empty(s), MUTATION == 10 ? 1 : 8);
    }
    if (MUTATION != 8) FenceMbarrierInit();
  }
  if (MUTATION != 7) __syncthreads();
}

template <int kElementBytes>
DEVICE void Produce(const CUtensorMap* a, const CUtensorMap* b, const Barriers& barriers,
                    uint32_t stages, int steps) {
  if (threadIdx.x % 128 != 0) return;
  constexpr int kDepth = kDepthBytes / kElementBytes;
  for (int step = 0; step < steps; ++step) {
    const int s = step % kStages;
    const uint32_t parity = step / kStages % 2;
    if (MUTATION != 1) MbarrierWait(barriers.empty(s), parity ^ (MUTATION == 2 ? 0 : 1));
    MbarrierArriveExpect(barriers.full(s), kStageBytes + (MUTATION == 3 ? 16 : 0));
    const uint32_t to = stages + s * kStageBytes;
    TmaLoad2d(to, a, barriers.full(s), step * kDepth, blockIdx.y * kRows);
    TmaLoad2d(to + kBytesA, b, barriers.full(s), step * kDepth, blockIdx.x * kColumns);
  }
}

DEVICE void Release(const Barriers& barriers, int stage) {
  if (threadIdx.x % 32 == 0) MbarrierArrive(barriers.empty(stage));
}

template <int kElementBytes>
DEVICE void Multiply(float (&sum)[32], uint32_t a, uint32_t b, bool fresh) {
  const uint64_t first = Descriptor(a, MUTATION == 5 ? 512 : 1024);
  const uint64_t second = Descriptor(b);
  WgmmaFence();
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    if constexpr (kElementBytes == 2) {
      WgmmaBf16(sum, first + k * 2, second + k * 2);
    } else {
      WgmmaE4m3(sum, first + k * 2, second + k * 2, fresh ? k > 0 : 1);
    }
  }
  WgmmaCommit();
}

template <int kElementBytes>
DEVICE void Consume(const Barriers& barriers, uint32_t stages, const float* row_scales,
                    const float* column_scales, float* c, int n, int steps) {
  const int group = threadIdx.x / 128;
  const int lane = threadIdx.x % 32;
  const int row = blockIdx.y * kRows + group * 64 + threadIdx.x / 32 % 4 * 16 + lane / 4;
  float sum[32] = {};
  float part[32] = {};
  for (int step = 0; step < steps; ++step) {
    const int s = step % kStages;
    if (MUTATION != 9) MbarrierWait(barriers.full(s), step / kStages % 2);
    const uint32_t a = stages + s * kStageBytes + group * 64 * kDepthBytes;
    Multiply<kElementBytes>(kElementBytes == 2 ? sum : part, a, stages + s * kStageBytes + kBytesA,
                            true);
    if (MUTATION == 6) Release(barriers, s);
    if (MUTATION != 4) WgmmaWait<0>();
    if (MUTATION != 6) Release(barriers, s);
    if constexpr (kElementBytes == 1) {
      const float column_scale = column_scales[blockIdx.x * steps + step];
      const float low = row_scales[size_t(row) * steps + step] * column_scale;
      const float high = row_scales[size_t(row + 8) * steps + step] * column_scale;
#pragma unroll
      for (int i = 0; i < 32; ++i) sum[i] += part[i] * (i & 2 ? high : low);
    }
  }
#pragma unroll
  for (int i = 0; i < 32; ++i) {
    const int column = blockIdx.x * kColumns + i / 4 * 8 + lane % 4 * 2 + i % 2;
    c[size_t(row + i / 2 % 2 * 8) * n + column] = sum[i];
  }
  if (MUTATION == 4) WgmmaWait<0>();
}

template <int kElementBytes>
DEVICE void Gemm(const CUtensorMap* a, const CUtensorMap* b, const float* row_scales,
                 const float* column_scales, float* c, int n, int steps) {
  extern __shared__ __align__(1024) uint8_t shared[];
  const uint32_t stages = SharedAddress(shared);
  const Barriers barriers = {stages + kStages * kStageBytes};
  InitBarriers(barriers);
  if (threadIdx.x / 128 == 2) {
    Produce<kElementBytes>(a, b, barriers, stages, steps);
  } else {
    Consume<kElementBytes>(barriers, stages, row_scales, column_scales, c, n, steps);
  }
}

// steps: K / 64
extern "C" __global__ void __launch_bounds__(kThreads, 1)
    GemmTmaBf16(const __grid_constant__ CUtensorMap a, const __grid_constant__ CUtensorMap b,
                float* c, int n, int steps) {
  Gemm<2>(&a, &b, nullptr, nullptr, c, n, steps);
}

// steps: K / 128; row_scales [M, steps], column_scales [N / 64, steps]
extern "C" __global__ void __launch_bounds__(kThreads, 1)
    GemmTmaE4m3(const __grid_constant__ CUtensorMap a, const __grid_constant__ CUtensorMap b,
                const float* row_scales, const float* column_scales, float* c, int n, int steps) {
  Gemm<1>(&a, &b, row_scales, column_scales, c, n, steps);
}
