#include <algorithm>

#include "kernels/cuda/decode_merge.h"
#include "kernels/cuda/gqa_common.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/rows_common.cuh"

namespace switchyard::kernels::cuda {

struct DecodeMerges {
  StagedWave wave;
  int64_t heads, width;
  DecodeOutput output;
};

// Grid: rows, heads. A row's splits are added in their order, all relative to the highest maximum.
__global__ void DecodeMergeKernel(const __grid_constant__ DecodeMerges step) {
  const DecodeMerge merge = step.wave.merges[blockIdx.x];
  if (merge.num_partials == 0) return;  // room that is not used
  const int64_t head = blockIdx.y, heads = step.heads, width = step.width;
  const float2* const stats = step.wave.partial_stats + merge.first_partial * heads + head;
  const float* const sums = step.wave.partial_sums + (merge.first_partial * heads + head) * width;
  const float sink = SinkOf(step.output.sinks, head);
  float max = sink;
  for (int i = 0; i < merge.num_partials; ++i) max = fmaxf(max, stats[i * heads].x);
  __nv_bfloat16* const out = step.output.out + merge.row * step.output.out_stride + head * width;
  for (int64_t column = threadIdx.x; column < width; column += blockDim.x) {
    float sum = 0, total = exp2f(sink - max);
#pragma unroll 4
    for (int i = 0; i < merge.num_partials; ++i) {
      const float2 of_split = stats[i * heads];
      const float weight = exp2f(of_split.x - max);
      total = fmaf(weight, of_split.y, total);
      sum = fmaf(weight, sums[i * heads * width + column], sum);
    }
    out[column] = FromF32<__nv_bfloat16>(sum / total);
  }
}

void LaunchMerges(CudaContext& cuda, const DecodeWave& wave, const StagedWave& staged,
                  const PartialShape& partial, const DecodeOutput& output) {
  if (wave.num_merges == 0) return;
  const auto whole_warps =
      static_cast<int>((partial.width + kWarpThreads - 1) / kWarpThreads * kWarpThreads);
  Launch(
      cuda, DecodeMergeKernel,
      {.blocks = dim3(static_cast<unsigned>(wave.num_merges), static_cast<unsigned>(partial.heads)),
       .threads = std::min(whole_warps, 512)},
      DecodeMerges{staged, partial.heads, partial.width, output});
}

}  // namespace switchyard::kernels::cuda
