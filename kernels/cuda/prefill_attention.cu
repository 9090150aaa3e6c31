// Launcher of kernels/cuda/prefill_attention.cuh.
#include <numbers>

#include "kernels/cuda/aligned.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/prefill_attention.cuh"

namespace switchyard::kernels::cuda {
namespace {

PrefillTile TileOf(const PrefillAttentionArgs& args) {
  const TensorView &q = args.q, &kv = args.kv, &k_pe = args.k_pe, &state = args.state;
  const int64_t rope = k_pe.dims[1], nope = q.dims[2] - rope, value = args.out.dims[2];
  return {.q = static_cast<const __nv_bfloat16*>(q.data),
          .kv = static_cast<const __nv_bfloat16*>(kv.data),
          .k_pe = static_cast<const __nv_bfloat16*>(k_pe.data),
          .state = static_cast<float*>(state.data),
          .out = static_cast<__nv_bfloat16*>(args.out.data),
          .q_stride = q.row_stride,
          .kv_stride = kv.row_stride,
          .k_pe_stride = k_pe.row_stride,
          .state_stride = state.row_stride,
          .out_stride = args.out.row_stride,
          .num_queries = static_cast<int>(q.rows()),
          .first_position = args.positions.front(),
          .num_keys = static_cast<int>(kv.rows()),
          .tile_begin = static_cast<int>(args.tile_begin),
          .nope = static_cast<int>(nope),
          .rope = static_cast<int>(rope),
          .value = static_cast<int>(value),
          .fast = AlignedTo16(q.data, {q.row_stride, nope, rope, value}) &&
                  AlignedTo16(kv.data, {kv.row_stride}) &&
                  AlignedTo16(k_pe.data, {k_pe.row_stride}),
          .even_state = reinterpret_cast<uintptr_t>(state.data) % sizeof(float2) == 0 &&
                        state.row_stride % 2 == 0 && value % 2 == 0,
          .fast_out = AlignedTo16(args.out.data, {args.out.row_stride, value}),
          .last = args.last,
          .scale_log2 = args.scale * std::numbers::log2e_v<float>};
}

template <int kColumns>
void LaunchTile(CudaContext& cuda, const PrefillTile& tile, int64_t heads) {
  const int shared_bytes = PrefillSharedOf(tile.nope + tile.rope, tile.value).num_bytes;
  SY_CUDA_CHECK(cudaFuncSetAttribute(PrefillKernel<kColumns>,
                                     cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes));
  const int groups = (tile.num_queries + kPrefillQueries - 1) / kPrefillQueries;
  Launch(cuda, PrefillKernel<kColumns>,
         {.blocks = dim3(static_cast<unsigned>(groups), static_cast<unsigned>(heads)),
          .threads = kAttentionThreads,
          .shared_bytes = shared_bytes},
         tile);
}

}  // namespace

void PrefillAttention(CudaContext& cuda, const PrefillAttentionArgs& args) {
  if (args.out.NumElements() == 0) return;
  const PrefillTile tile = TileOf(args);
  const int columns = ChoosePrefillColumns(args.q.dims[2], args.out.dims[2]);
  SY_CHECK(columns > 0) << "PrefillAttention: q, out: dimension 2: heads of " << args.q.dims[2]
                        << " and " << args.out.dims[2] << " are wider than a block takes";
  if (columns == kMaxPrefillColumns) {
    LaunchTile<kMaxPrefillColumns>(cuda, tile, args.q.dims[1]);
  } else {
    LaunchTile<kMaxPrefillColumns / 2>(cuda, tile, args.q.dims[1]);
  }
}

}  // namespace switchyard::kernels::cuda
