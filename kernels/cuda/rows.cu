// Launchers of kernels/cuda/rows.cuh and norm.cuh.
#include "kernels/cuda/aligned.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/norm.cuh"
#include "kernels/cuda/rows.cuh"
#include "kernels/cuda/rows.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int kThreads = 256;

// Threads of a block that owns one row.
int ThreadsForRow(int64_t width) {
  constexpr int kMost = 1024, kElementsPerThread = 8;
  const int64_t wanted = (width + kElementsPerThread - 1) / kElementsPerThread;
  int threads = kWarpThreads;
  while (threads < kMost && threads < wanted) threads *= 2;
  return threads;
}

dim3 OneBlockPerRow(int64_t rows) { return dim3(static_cast<unsigned>(rows)); }

template <typename T = void>
Rows<T> RowsOf(const TensorView& view) {
  return {static_cast<T*>(view.data), view.rows(), view.RowElements(), view.row_stride};
}

}  // namespace

void Embedding(CudaContext& cuda, const EmbeddingArgs& args) {
  if (args.y.NumElements() == 0) return;
  const int32_t* const ids = cuda.staging.Upload(args.ids);
  WithFloatType(args.table.dtype, [&]<typename T>(T) {
    Launch(cuda, EmbeddingKernel<T>,
           {.blocks = OneBlockPerRow(args.y.rows()), .threads = ThreadsForRow(args.y.dims[1])}, ids,
           RowsOf<const T>(args.table), args.first_row, args.scale, RowsOf<__nv_bfloat16>(args.y));
  });
}

void RmsNorm(CudaContext& cuda, const RmsNormArgs& args) {
  if (args.x.NumElements() == 0) return;
  const int threads = ThreadsForRow(args.x.dims[1]);
  const NormRows rows{.x = RowsOf<__nv_bfloat16>(args.x),
                      .delta = RowsOf<const __nv_bfloat16>(args.delta),
                      .weight = static_cast<const float*>(args.weight.data),
                      .eps = args.eps,
                      .y = RowsOf<__nv_bfloat16>(args.y)};
  if (args.quantised.empty()) {
    Launch(cuda, RmsNormKernel, {.blocks = OneBlockPerRow(args.x.rows()), .threads = threads},
           rows);
    return;
  }
  const GemmActivations to = ActivationsOf(args.quantised);
  Launch(cuda, RmsNormQuantisedKernel,
         {.blocks = OneBlockPerRow(int64_t{to.num_atoms} * kAtomRows), .threads = threads}, rows,
         to, args.ue8m0_scales);
}

void Add(CudaContext& cuda, const AddArgs& args) {
  const int64_t count = args.x.NumElements();
  if (count == 0) return;
  const auto add = [&]<typename Delta>() {
    Launch(cuda, AddKernel<Delta>, {.blocks = BlocksFor(count, kThreads), .threads = kThreads},
           RowsOf<__nv_bfloat16>(args.x), RowsOf<const Delta>(args.delta));
  };
  if (args.delta.dtype == DType::kF32) {
    add.operator()<float>();
  } else {
    add.operator()<__nv_bfloat16>();
  }
}

void Rope(CudaContext& cuda, const RopeArgs& args) {
  const int64_t heads = args.x.dims[1], dim = args.x.dims[2];
  const int64_t pairs = args.x.rows() * heads * (dim / 2);
  if (pairs == 0) return;
  const int64_t head_stride = args.head_stride > 0 ? args.head_stride : dim;
  const bool even = AlignedToPairs(args.x.data, {args.x.row_stride, head_stride});
  Launch(cuda, RopeKernel, {.blocks = BlocksFor(pairs, kThreads), .threads = kThreads},
         RopeRows{.x = static_cast<__nv_bfloat16*>(args.x.data),
                  .rows = args.x.rows(),
                  .heads = heads,
                  .row_stride = args.x.row_stride,
                  .head_stride = head_stride},
         RotaryOf(cuda, {args.positions, args.table, args.halves}, even));
}

void GatherRows(CudaContext& cuda, const GatherRowsArgs& args) {
  const int64_t bytes = SizeOf(args.x.dtype);
  if (args.y.NumElements() == 0) return;
  const int32_t* const rows = cuda.staging.Upload(args.rows);
  Launch(cuda, GatherRowsKernel,
         {.blocks = OneBlockPerRow(args.y.rows()),
          .threads = ThreadsForRow(args.y.RowElements() * bytes / 2)},
         static_cast<const uint8_t*>(args.x.data), args.x.row_stride * bytes, rows,
         static_cast<uint8_t*>(args.y.data), args.y.row_stride * bytes,
         args.y.RowElements() * bytes);
}

void Cast(CudaContext& cuda, const CastArgs& args) {
  const int64_t count = args.x.NumElements();
  if (count == 0) return;
  const Grid grid{.blocks = BlocksFor(count, kThreads), .threads = kThreads};
  const auto launch = [&]<typename From, typename To>(From, To) {
    Launch(cuda, CastKernel<From, To>, grid, RowsOf<const From>(args.x), RowsOf<To>(args.y));
  };
  const bool from_f32 = args.x.dtype == DType::kF32, to_f32 = args.y.dtype == DType::kF32;
  if (from_f32 && to_f32) return launch(float{}, float{});
  if (from_f32) return launch(float{}, __nv_bfloat16{});
  if (to_f32) return launch(__nv_bfloat16{}, float{});
  launch(__nv_bfloat16{}, __nv_bfloat16{});
}

void TreeSum(CudaContext& cuda, const TreeSumArgs& args) {
  const int64_t n = args.y.NumElements();
  if (n == 0) return;
  const Grid grid{.blocks = BlocksFor(n, kThreads), .threads = kThreads};
  const auto launch = [&]<typename T>(T) {
    Launch(cuda, TreeSumKernel<T>, grid, static_cast<const float*>(args.parts.data),
           args.parts.rows(), args.parts.row_stride, n, static_cast<T*>(args.y.data));
  };
  if (args.y.dtype == DType::kF32) return launch(float{});
  launch(__nv_bfloat16{});
}

void LargestPart(CudaContext& cuda, const LargestPartArgs& args) {
  const int64_t n = args.y.NumElements();
  if (n == 0) return;
  Launch(cuda, LargestPartKernel, {.blocks = BlocksFor(n, kThreads), .threads = kThreads},
         static_cast<const float*>(args.parts.data), args.parts.rows(), args.parts.row_stride, n,
         static_cast<float*>(args.y.data));
}

}  // namespace switchyard::kernels::cuda
