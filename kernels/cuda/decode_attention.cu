// Launchers of kernels/cuda/decode_attention.cuh and decode_wgmma.cuh.
#include <algorithm>
#include <bit>
#include <numbers>
#include <vector>

#include "kernels/cuda/aligned.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/decode_attention.cuh"
#include "kernels/cuda/decode_wgmma.cuh"
#include "kernels/cuda/launch.cuh"

namespace switchyard::kernels::cuda {
namespace {

// Of unfinished softmaxes. A single row may need more.
constexpr int64_t kMaxPartialBytes = int64_t{256} << 20;

int64_t PartialBytes(const DecodeAttentionArgs& args) {
  return args.qa.dims[1] * (args.qa.dims[2] + 2) * SizeOf(DType::kF32);
}

// What is staged of a wave: splits, merges, block tables; one array behind the other. More splits
// and merges than the wave has now leave room for rows that grow while the op is replayed.
struct WaveRoom {
  int64_t splits, merges, blocks;

  int64_t split_bytes() const { return splits * int64_t{sizeof(DecodeSplit)}; }
  int64_t merge_bytes() const { return merges * int64_t{sizeof(DecodeMerge)}; }
  int64_t num_bytes() const {
    return split_bytes() + merge_bytes() + blocks * int64_t{sizeof(int32_t)};
  }
};

// The blocks that so many splits of a row reach.
int64_t BlocksOfSplits(const LatentCache& cache, int64_t splits) {
  return BlocksOf(cache, splits * kDecodeSplitTokens);
}

// Writes the arrays of a wave. False where they have no room.
bool FillWave(const DecodeAttentionArgs& args, const LatentCache& cache, const DecodeWave& wave,
              const WaveRoom& room, std::byte* host) {
  auto* split = reinterpret_cast<DecodeSplit*>(host);
  auto* merge = reinterpret_cast<DecodeMerge*>(host + room.split_bytes());
  auto* const tables = reinterpret_cast<int32_t*>(host + room.split_bytes() + room.merge_bytes());
  const DecodeSplit* const splits_end = split + room.splits;
  const DecodeMerge* const merges_end = merge + room.merges;
  int32_t table = 0, partial = 0;
  for (int64_t row = wave.begin; row < wave.end; ++row) {
    const int32_t row_id = static_cast<int32_t>(row), end = args.positions[row] + 1;
    const auto num_splits = static_cast<int32_t>(NumDecodeSplits(args.positions[row]));
    const int64_t blocks = BlocksOf(cache, end);
    if (num_splits > splits_end - split || table + blocks > room.blocks) return false;
    if (num_splits > 1) {
      if (merge == merges_end) return false;
      *merge++ = {row_id, partial, num_splits};
    }
    for (int32_t begin = 0; begin < end; begin += kDecodeSplitTokens) {
      *split++ = {.row = row_id,
                  .begin = begin,
                  .end = std::min(begin + kDecodeSplitTokens, end),
                  .table = table,
                  .partial = num_splits > 1 ? partial++ : -1};
    }
    for (int64_t i = 0; i < blocks; ++i) {
      CheckBlock(cache, args.tables[row][i]);
      tables[table++] = args.tables[row][i];
    }
  }
  // What is left over: softmaxes of one key that nobody merges, and merges of nothing.
  const auto first_row = static_cast<int32_t>(wave.begin);
  while (split != splits_end) {
    *split++ = {.row = first_row, .begin = 0, .end = 1, .table = 0, .partial = partial++};
  }
  while (merge != merges_end) *merge++ = {first_row, 0, 0};
  return true;
}

void StageWave(CudaContext& cuda, const DecodeAttentionArgs& args, const DecodeWave& wave,
               DecodeStep& step) {
  WaveRoom room{.splits = wave.num_splits, .merges = wave.num_merges, .blocks = 0};
  for (int64_t row = wave.begin; row < wave.end; ++row) {
    room.blocks += cuda.staging.recording()
                       ? BlocksOfSplits(step.cache, NumDecodeSplits(args.positions[row]) + 1)
                       : BlocksOf(step.cache, args.positions[row] + int64_t{1});
  }
  const std::byte* const staged = cuda.staging.Stage(
      room.num_bytes(),
      [=, cache = step.cache](std::byte* host) { return FillWave(args, cache, wave, room, host); });
  step.splits = reinterpret_cast<const DecodeSplit*>(staged);
  step.merges = reinterpret_cast<const DecodeMerge*>(staged + room.split_bytes());
  step.tables = reinterpret_cast<const int32_t*>(staged + room.split_bytes() + room.merge_bytes());
}

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

void LaunchMerges(CudaContext& cuda, const DecodeWave& wave, const DecodeStep& step) {
  if (wave.num_merges == 0) return;
  const int whole_warps = (step.latent_dim + kWarpThreads - 1) / kWarpThreads * kWarpThreads;
  Launch(cuda, DecodeMergeKernel,
         {.blocks = dim3(static_cast<unsigned>(wave.num_merges), static_cast<unsigned>(step.heads)),
          .threads = std::min(whole_warps, 512)},
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
  DecodeAttentionInWaves(cuda, args, kMaxPartialBytes / PartialBytes(args));
}

void DecodeAttentionInWaves(CudaContext& cuda, const DecodeAttentionArgs& args,
                            int64_t max_partials) {
  DecodeStep step = StepOf(args);
  const int head_tiles = ChooseDecodeHeadTiles(step.heads, step.cache.width);
  SY_CHECK(head_tiles > 0) << "DecodeAttention: cache: dimension 2: " << step.cache.width
                           << " is more than shared memory takes";
  // Where the op is recorded, rows that are a split longer.
  std::vector<int32_t> grown(args.positions.begin(), args.positions.end());
  for (int32_t& position : grown) position += kDecodeSplitTokens;
  const std::span<const int32_t> positions =
      cuda.staging.recording() ? std::span<const int32_t>(grown) : args.positions;
  for (int64_t begin = 0; begin < args.qa.rows();) {
    const DecodeWave wave = NextDecodeWave(positions, begin, max_partials);
    // As much as the recorded op will want, and more: when memory moves, all recordings end.
    const DecodeWave then = NextDecodeWave(grown, begin, max_partials);
    const int64_t wanted = std::max({wave.num_partials, then.num_partials,
                                     then.end < args.qa.rows() ? max_partials : int64_t{0}});
    const auto rounded = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(wanted)));
    auto* const partials = cuda.attention.Reserve<std::byte>(
        std::min(rounded, std::max(wanted, max_partials)) * PartialBytes(args));
    step.partial_stats = reinterpret_cast<float2*>(partials);
    step.partial_sums =
        reinterpret_cast<float*>(step.partial_stats + wave.num_partials * step.heads);
    StageWave(cuda, args, wave, step);
    LaunchSplits(cuda, wave, step, head_tiles);
    LaunchMerges(cuda, wave, step);
    begin = wave.end;
  }
}

}  // namespace switchyard::kernels::cuda
