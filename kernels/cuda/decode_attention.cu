// Launchers of kernels/cuda/decode_attention.cuh and decode_wgmma.cuh.
#include <numbers>

#include "kernels/cuda/aligned.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/decode_attention.cuh"
#include "kernels/cuda/decode_merge.h"
#include "kernels/cuda/decode_wgmma.cuh"
#include "kernels/cuda/launch.cuh"

namespace switchyard::kernels::cuda {
namespace {

using DecodeKernelPointer = void (*)(DecodeStep);

DecodeKernelPointer KernelOf(int head_tiles, int64_t latent_dim) {
  if (DecodeTakesWgmma(head_tiles, latent_dim)) return WgmmaDecodeKernel;
  if (head_tiles == 1) return DecodeKernel<1>;
  if (head_tiles == 2) return DecodeKernel<2>;
  return DecodeKernel<kMaxDecodeHeadTiles>;
}

void LaunchSplits(CudaContext& cuda, const DecodeWave& wave, const DecodeStep& step,
                  int head_tiles) {
  const DecodeKernelPointer kernel = KernelOf(head_tiles, step.latent_dim);
  const int shared_bytes = DecodeSharedOf(head_tiles, step.cache.width).num_bytes;
  SY_CUDA_CHECK(
      cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  const int heads = head_tiles * kMmaRows;
  const int head_groups = (step.heads + heads - 1) / heads;
  const int column_groups = (step.latent_dim + kDecodeColumns - 1) / kDecodeColumns;
  Launch(cuda, kernel,
         {.blocks = dim3(static_cast<unsigned>(wave.num_splits), static_cast<unsigned>(head_groups),
                         static_cast<unsigned>(column_groups)),
          .threads = kAttentionThreads,
          .shared_bytes = shared_bytes},
         step);
}

DecodeStep StepOf(const DecodeAttentionArgs& args) {
  const TensorView &qa = args.qa, &q_pe = args.q_pe;
  const int64_t latent_dim = qa.dims[2], rope_dim = q_pe.dims[2];
  const int64_t head_stride = args.q_pe_head_stride > 0 ? args.q_pe_head_stride : rope_dim;
  const LatentCache cache = LatentCacheOf(args.cache);
  return {.qa = static_cast<const __nv_bfloat16*>(qa.data),
          .qa_stride = qa.row_stride,
          .q_pe = static_cast<const __nv_bfloat16*>(q_pe.data),
          .q_pe_stride = q_pe.row_stride,
          .q_pe_head_stride = head_stride,
          .heads = static_cast<int>(qa.dims[1]),
          .latent_dim = static_cast<int>(latent_dim),
          .rope_dim = static_cast<int>(rope_dim),
          .fast_queries = AlignedTo16(qa.data, {qa.row_stride, latent_dim}) &&
                          AlignedTo16(q_pe.data, {q_pe.row_stride, head_stride, rope_dim}),
          .fast_keys = AlignedTo16(cache.data, {cache.block_stride, cache.width}),
          .cache = cache,
          .scale_log2 = args.scale * std::numbers::log2e_v<float>,
          .out = static_cast<__nv_bfloat16*>(args.out.data),
          .out_stride = args.out.row_stride};
}

}  // namespace

void DecodeAttention(CudaContext& cuda, const DecodeAttentionArgs& args) {
  if (args.qa.NumElements() == 0) return;
  DecodeAttentionInWaves(cuda, args, DecodeWaveBounds({args.qa.dims[1], args.qa.dims[2]}));
}

void DecodeAttentionInWaves(CudaContext& cuda, const DecodeAttentionArgs& args,
                            const WaveBounds& bounds) {
  DecodeStep step = StepOf(args);
  const int head_tiles = ChooseDecodeHeadTiles(step.heads, step.cache.width);
  SY_CHECK(head_tiles > 0) << "DecodeAttention: cache: dimension 2: " << step.cache.width
                           << " is more than shared memory takes";
  const DecodeRows rows = {.positions = args.positions,
                           .tables = args.tables,
                           .block_tokens = step.cache.block_tokens,
                           .num_blocks = step.cache.num_blocks};
  const PartialShape partial = {step.heads, step.latent_dim};
  ForDecodeWaves(cuda, rows, partial, bounds,
                 [&](const DecodeWave& wave, const StagedWave& staged) {
                   step.splits = staged.splits;
                   step.tables = staged.tables;
                   step.partial_stats = staged.partial_stats;
                   step.partial_sums = staged.partial_sums;
                   LaunchSplits(cuda, wave, step, head_tiles);
                   LaunchMerges(cuda, wave, staged, partial,
                                {.sinks = nullptr, .out = step.out, .out_stride = step.out_stride});
                 });
}

}  // namespace switchyard::kernels::cuda
