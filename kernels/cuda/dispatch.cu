// Launchers of kernels/cuda/dispatch.cuh.
#include <algorithm>

#include "kernels/cuda/dispatch.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/moe.h"

namespace switchyard::kernels::cuda {
namespace {

int ThreadsFor(int64_t items) {
  const int64_t warps = (items + kWarpThreads - 1) / kWarpThreads;
  return static_cast<int>(
      std::clamp<int64_t>(warps * kWarpThreads, kWarpThreads, kMostDispatchThreads));
}

int32_t* Ints(const TensorView& view) { return static_cast<int32_t*>(view.data); }

}  // namespace

void DispatchTokens(CudaContext& cuda, const DispatchTokensArgs& args) {
  Launch(cuda, DispatchTokensKernel,
         {.blocks = dim3(static_cast<unsigned>(args.counts.rows())),
          .threads = ThreadsFor(args.ids.rows())},
         DispatchParts{.ids = Ints(args.ids),
                       .ids_stride = args.ids.row_stride,
                       .num_tokens = static_cast<int>(args.ids.rows()),
                       .num_slots = static_cast<int>(args.ids.dims[1]),
                       .rank_of_expert = Ints(args.rank_of_expert),
                       .local_index_of_expert = Ints(args.local_index_of_expert),
                       .num_experts = static_cast<int>(args.rank_of_expert.rows()),
                       .counts = Ints(args.counts),
                       .tokens = Ints(args.tokens),
                       .num_rows = static_cast<int>(args.tokens.rows()),
                       .experts = Ints(args.experts),
                       .experts_stride = args.experts.row_stride,
                       .row_experts = static_cast<int>(args.experts.dims[1]),
                       .row_of = Ints(args.row_of),
                       .row_of_stride = args.row_of.row_stride});
}

void ReceiveTokens(CudaContext& cuda, const ReceiveTokensArgs& args) {
  const auto local = static_cast<int>(args.expert_rows.rows());
  Launch(cuda, ReceiveTokensKernel,
         {.blocks = dim3(static_cast<unsigned>(local + 1)),
          .threads = ThreadsFor(args.experts.rows())},
         ReceiveParts{.experts = Ints(args.experts),
                      .experts_stride = args.experts.row_stride,
                      .num_received = static_cast<int>(args.experts.rows()),
                      .row_experts = static_cast<int>(args.experts.dims[1]),
                      .num_local = local,
                      .own_tokens = static_cast<int>(args.own_tokens),
                      .spans = Ints(args.spans),
                      .sources = Ints(args.sources),
                      .returned = Ints(args.returned),
                      .num_rows = static_cast<int>(args.sources.rows()),
                      .expert_rows = Ints(args.expert_rows)});
}

}  // namespace switchyard::kernels::cuda
