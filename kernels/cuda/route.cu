// Launcher of kernels/cuda/route.cuh.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/moe.h"
#include "kernels/cuda/route.cuh"

namespace switchyard::kernels::cuda {
namespace {

const int64_t* Slots(CudaContext& cuda, std::span<const int64_t> slots) {
  return slots.empty() ? nullptr : cuda.staging.Upload(slots);
}

int32_t* Ints(const TensorView& view) { return static_cast<int32_t*>(view.data); }

}  // namespace

void RouteTokens(CudaContext& cuda, const RouteTokensArgs& args) {
  const auto local = static_cast<int>(args.expert_rows.dims[0]);
  const auto experts = static_cast<int>(args.rank_of_expert.dims[0]);
  const auto slots = static_cast<int>(args.ids.dims[1]);
  // One rank alone hands nothing back.
  const bool alone = args.num_ranks == 1;
  const int returned_slots = alone ? 0 : static_cast<int>(args.returned_slots);
  const ListGrid grid = ListGridFor(args.ids.rows(), slots);
  Launch(cuda, RouteTokensKernel,
         {.blocks = dim3(static_cast<unsigned>(grid.blocks)),
          .threads = grid.threads,
          .shared_bytes = RouteParts::SharedSize(experts, local, slots, returned_slots)},
         RouteParts{.places_ids = {.data = Ints(args.ids),
                                   .stride = args.ids.row_stride,
                                   .num_rows = static_cast<int>(args.ids.rows()),
                                   .width = slots,
                                   .limit = experts},
                    .cache_slots = Slots(cuda, args.slots),
                    .rank_of_expert = Ints(args.rank_of_expert),
                    .local_index_of_expert = Ints(args.local_index_of_expert),
                    .num_experts = experts,
                    .num_local = local,
                    .rank = static_cast<int>(args.rank),
                    .places_of_rank = static_cast<int>(args.ids.rows() / args.num_ranks),
                    .own_tokens = static_cast<int>(args.own_tokens),
                    .returned_slots = returned_slots,
                    .rows_of_block = grid.rows_of_block,
                    .spans = Ints(args.spans),
                    .places = Ints(args.places),
                    .num_rows = static_cast<int>(args.places.dims[0]),
                    .returned = alone ? nullptr : Ints(args.returned),
                    .row_of = Ints(args.row_of),
                    .row_of_stride = args.row_of.row_stride,
                    .expert_rows = Ints(args.expert_rows)});
}

}  // namespace switchyard::kernels::cuda
