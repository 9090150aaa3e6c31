// Launcher of kernels/cuda/gqa_prefill.cuh.
#include <numbers>

#include "kernels/cuda/aligned.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/choose/attention_split.h"
#include "kernels/cuda/gqa_prefill.cuh"
#include "kernels/cuda/launch.cuh"

namespace switchyard::kernels::cuda {
namespace {

// The table's part that the queries see goes to the device.
const int32_t* UploadTable(CudaContext& cuda, const GqaPrefillArgs& args, const KvCache& cache,
                           int window) {
  const int64_t first = FirstDecodeKey(args.positions.front(), window) / cache.block_tokens;
  const int64_t end = args.positions.back() / cache.block_tokens + 1;
  const auto blocks =
      args.table.subspan(static_cast<size_t>(first), static_cast<size_t>(end - first));
  for (const int32_t block : blocks) CheckBlock(cache, block);
  return cuda.staging.Upload(blocks) - first;
}

GqaPrefillStep StepOf(CudaContext& cuda, const GqaPrefillArgs& args) {
  const TensorView &q = args.q, &out = args.out;
  const KvCache cache = KvCacheOf(args.cache);
  const int window = static_cast<int>(args.window == 0 ? kWholeSequence : args.window);
  return {.q = static_cast<const __nv_bfloat16*>(q.data),
          .q_stride = q.row_stride,
          .num_queries = static_cast<int>(q.rows()),
          .first_position = args.positions.front(),
          .sharing_heads = static_cast<int>(q.dims[1]) / cache.kv_heads,
          .fast_queries = AlignedTo16(q.data, {q.row_stride, cache.dim}),
          .fast_keys = AlignedTo16(cache.data, {cache.block_stride, cache.dim}),
          .fast_out = AlignedTo16(out.data, {out.row_stride, cache.dim}),
          .cache = cache,
          .table = UploadTable(cuda, args, cache, window),
          .window = window,
          .scale_log2 = args.scale * std::numbers::log2e_v<float>,
          .sinks = static_cast<const float*>(args.sinks.data),
          .out = static_cast<__nv_bfloat16*>(out.data),
          .out_stride = out.row_stride};
}

template <int kColumns>
void LaunchRows(CudaContext& cuda, const GqaPrefillStep& step) {
  constexpr int kSharedBytes = GqaPrefillSharedOf(kColumns).num_bytes;
  SY_CUDA_CHECK(cudaFuncSetAttribute(GqaPrefillKernel<kColumns>,
                                     cudaFuncAttributeMaxDynamicSharedMemorySize, kSharedBytes));
  const int64_t rows = int64_t{step.num_queries} * step.sharing_heads;
  SY_CHECK(rows <= INT32_MAX - kGqaPrefillRows) << "GqaPrefill: q: too many rows: " << rows;
  Launch(cuda, GqaPrefillKernel<kColumns>,
         {.blocks = dim3(static_cast<unsigned>((rows + kGqaPrefillRows - 1) / kGqaPrefillRows),
                         static_cast<unsigned>(step.cache.kv_heads)),
          .threads = kGqaPrefillThreads,
          .shared_bytes = kSharedBytes},
         step);
}

}  // namespace

void GqaPrefill(CudaContext& cuda, const GqaPrefillArgs& args) {
  if (args.q.NumElements() == 0) return;
  SY_CHECK(!cuda.staging.recording()) << "GqaPrefill: not to be recorded: its blocks vary";
  const int64_t dim = args.q.dims[2];
  const int columns = GqaColumns(dim);
  SY_CHECK(columns > 0) << "GqaPrefill: q: dimension 2: heads of " << dim
                        << " are wider than a block takes";
  const GqaPrefillStep step = StepOf(cuda, args);
  if (columns == 64) LaunchRows<64>(cuda, step);
  if (columns == 128) LaunchRows<128>(cuda, step);
  if (columns == 256) LaunchRows<256>(cuda, step);
}

}  // namespace switchyard::kernels::cuda
