// Launchers of kernels/cuda/route.cuh.
#include <algorithm>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/moe.h"
#include "kernels/cuda/route.cuh"

namespace switchyard::kernels::cuda {
namespace {

int ThreadsFor(int64_t items, int most) {
  const int64_t warps = (items + kWarpThreads - 1) / kWarpThreads;
  return static_cast<int>(std::clamp<int64_t>(warps * kWarpThreads, kWarpThreads, most));
}

// Of a row of `bytes`, 16 at once.
int ThreadsForBytes(int64_t bytes) { return ThreadsFor((bytes + 15) / 16, 256); }

const int64_t* Slots(CudaContext& cuda, std::span<const int64_t> slots) {
  return slots.empty() ? nullptr : cuda.staging.Upload(slots);
}

int32_t* Ints(const TensorView& view) { return static_cast<int32_t*>(view.data); }

}  // namespace

void PlaceTokens(CudaContext& cuda, const PlaceTokensArgs& args) {
  if (args.places_x.rows() == 0) return;
  const int64_t element = SizeOf(args.places_x.dtype);
  const int64_t row_bytes = args.places_x.RowElements() * element;
  Launch(cuda, PlaceTokensKernel,
         {.blocks = dim3(static_cast<unsigned>(args.places_x.rows())),
          .threads = ThreadsForBytes(row_bytes)},
         PlacedTokens{.x = static_cast<const uint8_t*>(args.x.data),
                      .x_stride = args.x.row_stride * element,
                      .ids = Ints(args.ids),
                      .ids_stride = args.ids.row_stride,
                      .cache_slots = Slots(cuda, args.slots),
                      .num_tokens = static_cast<int>(args.x.rows()),
                      .num_slots = static_cast<int>(args.places_ids.dims[1]),
                      .places_x = static_cast<uint8_t*>(args.places_x.data),
                      .places_x_stride = args.places_x.row_stride * element,
                      .places_ids = Ints(args.places_ids),
                      .places_ids_stride = args.places_ids.row_stride,
                      .row_bytes = row_bytes});
}

void RouteTokens(CudaContext& cuda, const RouteTokensArgs& args) {
  const auto local = static_cast<int>(args.expert_rows.dims[0]);
  Launch(cuda, RouteTokensKernel,
         {.blocks = dim3(static_cast<unsigned>(local + 1)),
          .threads = ThreadsFor(args.ids.NumElements(), kMostRouteThreads)},
         RouteParts{.ids = Ints(args.ids),
                    .ids_stride = args.ids.row_stride,
                    .cache_slots = Slots(cuda, args.slots),
                    .num_places = static_cast<int>(args.ids.rows()),
                    .num_slots = static_cast<int>(args.ids.dims[1]),
                    .rank_of_expert = Ints(args.rank_of_expert),
                    .local_index_of_expert = Ints(args.local_index_of_expert),
                    .num_experts = static_cast<int>(args.rank_of_expert.dims[0]),
                    .num_local = local,
                    .rank = static_cast<int>(args.rank),
                    .num_ranks = static_cast<int>(args.num_ranks),
                    .own_tokens = static_cast<int>(args.own_tokens),
                    .returned_slots = static_cast<int>(args.returned_slots),
                    .spans = Ints(args.spans),
                    .places = Ints(args.places),
                    .num_rows = static_cast<int>(args.places.dims[0]),
                    .returned = args.num_ranks == 1 ? nullptr : Ints(args.returned),
                    .row_of = Ints(args.row_of),
                    .row_of_stride = args.row_of.row_stride,
                    .expert_rows = Ints(args.expert_rows)});
}

void SelectRows(CudaContext& cuda, const SelectRowsArgs& args) {
  if (args.y.NumElements() == 0) return;
  const int64_t element = SizeOf(args.y.dtype), row_bytes = args.y.RowElements() * element;
  Launch(
      cuda, SelectRowsKernel,
      {.blocks = dim3(static_cast<unsigned>(args.y.rows())), .threads = ThreadsForBytes(row_bytes)},
      static_cast<const uint8_t*>(args.x.data), args.x.row_stride * element, args.x.rows(),
      Ints(args.rows), static_cast<uint8_t*>(args.y.data), args.y.row_stride * element, row_bytes);
}

}  // namespace switchyard::kernels::cuda
