// Launchers of kernels/cuda/dispatch.cuh.
#include "kernels/cuda/dispatch.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/moe.h"

namespace switchyard::kernels::cuda {
namespace {

int32_t* Ints(const TensorView& view) { return static_cast<int32_t*>(view.data); }

ItemRows ItemsOf(const TensorView& view, int limit) {
  return {.data = Ints(view),
          .stride = view.row_stride,
          .num_rows = static_cast<int>(view.rows()),
          .width = static_cast<int>(view.dims[1]),
          .limit = limit};
}

}  // namespace

void DispatchTokens(CudaContext& cuda, const DispatchTokensArgs& args) {
  const auto experts = static_cast<int>(args.rank_of_expert.rows());
  const auto ranks = static_cast<int>(args.counts.rows());
  SY_CHECK_LE(ranks, kMostDispatchRanks) << "DispatchTokens: counts: ranks";
  const ListGrid grid = ListGridFor(args.ids.rows(), args.ids.dims[1]);
  const ItemRows ids = ItemsOf(args.ids, experts);
  Launch(cuda, DispatchTokensKernel,
         {.blocks = dim3(static_cast<unsigned>(grid.blocks)),
          .threads = grid.threads,
          .shared_bytes = DispatchParts::SharedSize(experts, ranks, ids.width, grid.threads)},
         DispatchParts{.ids = ids,
                       .rank_of_expert = Ints(args.rank_of_expert),
                       .local_index_of_expert = Ints(args.local_index_of_expert),
                       .num_experts = experts,
                       .num_ranks = ranks,
                       .rows_of_block = grid.rows_of_block,
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
  const ListGrid grid = ListGridFor(args.experts.rows(), args.experts.dims[1]);
  ItemRows experts = ItemsOf(args.experts, local);
  experts.ragged = true;
  Launch(cuda, ReceiveTokensKernel,
         {.blocks = dim3(static_cast<unsigned>(grid.blocks)),
          .threads = grid.threads,
          .shared_bytes = ReceiveParts::SharedSize(local, experts.width)},
         ReceiveParts{.experts = experts,
                      .num_local = local,
                      .own_tokens = static_cast<int>(args.own_tokens),
                      .rows_of_block = grid.rows_of_block,
                      .spans = Ints(args.spans),
                      .sources = Ints(args.sources),
                      .returned = Ints(args.returned),
                      .num_rows = static_cast<int>(args.sources.rows()),
                      .expert_rows = Ints(args.expert_rows)});
}

}  // namespace switchyard::kernels::cuda
