// Launcher of kernels/cuda/gqa_write.cuh.
#include "kernels/cuda/aligned.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/gqa_write.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/staged_slots.h"

namespace switchyard::kernels::cuda {

void GqaWrite(CudaContext& cuda, const GqaWriteArgs& args) {
  constexpr int kThreads = 128;  // eight heads of 128 elements are as many words of 16 bytes
  const KvCache cache = KvCacheOf(args.cache);
  if (args.k.NumElements() == 0) return;
  const bool aligned = AlignedTo16(cache.data, {cache.block_stride, cache.dim}) &&
                       AlignedTo16(args.k.data, {args.k.row_stride}) &&
                       AlignedTo16(args.v.data, {args.v.row_stride});
  const bool even = AlignedToPairs(cache.data, {cache.block_stride, cache.dim}) &&
                    AlignedToPairs(args.k.data, {args.k.row_stride});
  Launch(cuda, aligned ? GqaWriteKernel<uint4> : GqaWriteKernel<uint16_t>,
         {.blocks = dim3(static_cast<unsigned>(args.k.rows())), .threads = kThreads},
         KvRows{.k = static_cast<__nv_bfloat16*>(args.k.data),
                .v = static_cast<const __nv_bfloat16*>(args.v.data),
                .k_stride = args.k.row_stride,
                .v_stride = args.v.row_stride},
         StageSlots(cuda, args.slots, cache.num_blocks * cache.block_tokens), cache,
         RotaryOf(cuda, args.rotation, even));
}

}  // namespace switchyard::kernels::cuda
