// Launchers of kernels/cuda/place.cuh.
#include <algorithm>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/moe.h"
#include "kernels/cuda/place.cuh"

namespace switchyard::kernels::cuda {
namespace {

// Of a row of `bytes`, 16 at once.
int ThreadsForBytes(int64_t bytes) {
  constexpr int64_t kBytes = int64_t{16} * kWarpThreads;  // of a warp
  return static_cast<int>(std::clamp<int64_t>((bytes + kBytes - 1) / kBytes, 1, 8) * kWarpThreads);
}

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
