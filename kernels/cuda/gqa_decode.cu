// Launcher of kernels/cuda/gqa_decode.cuh.
#include <numbers>

#include "kernels/cuda/aligned.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/decode_merge.h"
#include "kernels/cuda/gqa_decode.cuh"
#include "kernels/cuda/launch.cuh"

namespace switchyard::kernels::cuda {
namespace {

GqaDecodeStep StepOf(const GqaDecodeArgs& args) {
  const TensorView& q = args.q;
  const KvCache cache = KvCacheOf(args.cache);
  const int heads = static_cast<int>(q.dims[1]), sharing_heads = heads / cache.kv_heads;
  return {.q = static_cast<const __nv_bfloat16*>(q.data),
          .q_stride = q.row_stride,
          .heads = heads,
          .sharing_heads = sharing_heads,
          .head_tiles = (sharing_heads + kGqaDecodeHeads - 1) / kGqaDecodeHeads,
          .fast_queries = AlignedTo16(q.data, {q.row_stride, cache.dim}),
          .fast_keys = AlignedTo16(cache.data, {cache.block_stride, cache.dim}),
          .cache = cache,
          .scale_log2 = args.scale * std::numbers::log2e_v<float>,
          .sinks = static_cast<const float*>(args.sinks.data),
          .out = static_cast<__nv_bfloat16*>(args.out.data),
          .out_stride = args.out.row_stride};
}

template <int kColumns>
void LaunchSplits(CudaContext& cuda, const DecodeWave& wave, const GqaDecodeStep& step) {
  constexpr int kSharedBytes = GqaDecodeSharedOf(kColumns).num_bytes;
  SY_CUDA_CHECK(cudaFuncSetAttribute(GqaDecodeKernel<kColumns>,
                                     cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes));
  Launch(cuda, GqaDecodeKernel<kColumns>,
         {.blocks = dim3(static_cast<unsigned>(wave.num_splits),
                         static_cast<unsigned>(step.cache.kv_heads * step.head_tiles)),
          .threads = kGqaDecodeThreads,
          .shared_bytes = kSharedBytes},
         step);
}

}  // namespace

void GqaDecode(CudaContext& cuda, const GqaDecodeArgs& args) {
  if (args.q.NumElements() == 0) return;
  GqaDecodeInWaves(cuda, args, DecodeWaveBounds({args.q.dims[1], args.q.dims[2]}));
}

void GqaDecodeInWaves(CudaContext& cuda, const GqaDecodeArgs& args, const WaveBounds& bounds) {
  GqaDecodeStep step = StepOf(args);
  const int columns = GqaColumns(step.cache.dim);
  SY_CHECK(columns > 0) << "GqaDecode: q: dimension 2: heads of " << step.cache.dim
                        << " are wider than a block takes";
  const DecodeRows rows = {.positions = args.positions,
                           .tables = args.tables,
                           .block_tokens = step.cache.block_tokens,
                           .num_blocks = step.cache.num_blocks,
                           .window = args.window == 0 ? kWholeSequence : args.window};
  const PartialShape partial = {step.heads, step.cache.dim};
  ForDecodeWaves(
      cuda, rows, partial, bounds, [&](const DecodeWave& wave, const StagedWave& staged) {
        step.splits = staged.splits;
        step.tables = staged.tables;
        step.partial_stats = staged.partial_stats;
        step.partial_sums = staged.partial_sums;
        if (columns == 64) LaunchSplits<64>(cuda, wave, step);
        if (columns == 128) LaunchSplits<128>(cuda, wave, step);
        if (columns == 256) LaunchSplits<256>(cuda, wave, step);
        LaunchMerges(cuda, wave, staged, partial,
                     {.sinks = step.sinks, .out = step.out, .out_stride = step.out_stride});
      });
}

}  // namespace switchyard::kernels::cuda
