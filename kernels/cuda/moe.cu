// Launchers of kernels/cuda/moe.cuh.
#include "kernels/cuda/aligned.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/moe.cuh"
#include "kernels/cuda/moe.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kCombineThreads = 128;
// Of rows: one access of a thread, so that neighbouring threads fill sectors at once.
template <typename T>
constexpr int kWideColumns = 16 / static_cast<int>(sizeof(T));

bool TakesWideColumns(const TensorView& view) {
  return view.empty() || AlignedTo16(view.data, {view.row_stride, view.dims[1]});
}

template <typename T, int kColumns>
void Combine(CudaContext& cuda, const CombineRowsArgs& args) {
  const int64_t threads = (args.y.dims[1] + kColumns - 1) / kColumns;
  const CombineParts<T> parts = {.rows = static_cast<const T*>(args.rows.data),
                                 .num_rows = args.rows.rows(),
                                 .rows_stride = args.rows.row_stride,
                                 .row_of = static_cast<const int32_t*>(args.row_of.data),
                                 .row_of_stride = args.row_of.row_stride,
                                 .weights = static_cast<const float*>(args.weights.data),
                                 .weights_stride = args.weights.row_stride,
                                 .num_slots = static_cast<int>(args.row_of.dims[1]),
                                 .base = static_cast<const __nv_bfloat16*>(args.base.data),
                                 .base_stride = args.base.row_stride,
                                 .y = static_cast<__nv_bfloat16*>(args.y.data),
                                 .y_stride = args.y.row_stride,
                                 .width = args.y.dims[1]};
  Launch(cuda, CombineRowsKernel<T, kColumns>,
         {.blocks = dim3(static_cast<unsigned>(args.y.rows()),
                         static_cast<unsigned>((threads + kCombineThreads - 1) / kCombineThreads)),
          .threads = kCombineThreads},
         parts);
}

}  // namespace

void Gate(CudaContext& cuda, const GateArgs& args) {
  if (args.logits.rows() == 0) return;
  const auto experts = static_cast<int>(args.logits.dims[1]);
  Launch(cuda, GateKernel,
         {.blocks = dim3(static_cast<unsigned>(args.logits.rows())),
          .threads = (experts + kWarpThreads - 1) / kWarpThreads * kWarpThreads},
         GateRows{.logits = static_cast<const float*>(args.logits.data),
                  .logits_stride = args.logits.row_stride,
                  .bias = static_cast<const float*>(args.bias.data),
                  .softmax = args.softmax,
                  .num_experts = experts,
                  .num_groups = static_cast<int>(args.num_groups),
                  .top_groups = static_cast<int>(args.top_groups),
                  .num_slots = static_cast<int>(args.ids.dims[1]),
                  .normalize = args.normalize,
                  .scale = args.scale,
                  .ids = static_cast<int32_t*>(args.ids.data),
                  .ids_stride = args.ids.row_stride,
                  .weights = static_cast<float*>(args.weights.data),
                  .weights_stride = args.weights.row_stride});
}

void CombineRows(CudaContext& cuda, const CombineRowsArgs& args) {
  if (args.y.NumElements() == 0) return;
  const bool wide =
      TakesWideColumns(args.rows) && TakesWideColumns(args.base) && TakesWideColumns(args.y);
  if (args.rows.dtype == DType::kF32) {
    if (wide) return Combine<float, kWideColumns<float>>(cuda, args);
    return Combine<float, 1>(cuda, args);
  }
  if (wide) return Combine<__nv_bfloat16, kWideColumns<__nv_bfloat16>>(cuda, args);
  Combine<__nv_bfloat16, 1>(cuda, args);
}

}  // namespace switchyard::kernels::cuda
