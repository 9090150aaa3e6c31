// Launchers of kernels/cuda/latent.cuh.
#include "kernels/cuda/aligned.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/latent.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/staged_slots.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kThreads = 64;  // a served entry is 64 + 8 words of 16 bytes

LatentRows RowsOf(const TensorView& c, const TensorView& k_pe) {
  return {.c = static_cast<__nv_bfloat16*>(c.data),
          .c_stride = c.row_stride,
          .latent_dim = static_cast<int>(c.dims[1]),
          .k_pe = static_cast<__nv_bfloat16*>(k_pe.data),
          .k_pe_stride = k_pe.row_stride,
          .rope_dim = static_cast<int>(k_pe.dims[1])};
}

Grid OneBlockPerToken(int64_t tokens) {
  return {.blocks = dim3(static_cast<unsigned>(tokens)), .threads = kThreads};
}

}  // namespace

void LatentWrite(CudaContext& cuda, const LatentWriteArgs& args) {
  const LatentCache cache = LatentCacheOf(args.cache);
  if (args.slots.empty()) return;
  const bool even = AlignedToPairs(args.k_pe.data, {args.k_pe.row_stride}) &&
                    AlignedToPairs(cache.data, {cache.block_stride, cache.width, args.c.dims[1]});
  Launch(cuda, LatentWriteKernel, OneBlockPerToken(args.c.rows()), RowsOf(args.c, args.k_pe),
         StageSlots(cuda, args.slots, cache.num_blocks * cache.block_tokens), cache,
         RotaryOf(cuda, args.rotation, even));
}

void LatentGather(CudaContext& cuda, const LatentGatherArgs& args) {
  const LatentCache cache = LatentCacheOf(args.cache);
  if (args.count == 0) return;
  SY_CHECK(!cuda.staging.recording()) << "LatentGather: not to be recorded: its blocks vary";
  const int64_t first = args.begin / cache.block_tokens;
  const int64_t end = BlocksOf(cache, args.begin + args.count);
  const auto blocks =
      args.table.subspan(static_cast<size_t>(first), static_cast<size_t>(end - first));
  for (const int32_t block : blocks) CheckBlock(cache, block);
  Launch(cuda, LatentGatherKernel, OneBlockPerToken(args.count), cache, cuda.staging.Upload(blocks),
         static_cast<int>(args.begin % cache.block_tokens), RowsOf(args.c, args.k_pe));
}

}  // namespace switchyard::kernels::cuda
