// Bodies of the kernels that route tokens to experts (kernels/args/moe.h): no count leaves the
// device. Rows stand in one order whatever the order of threads: blocks own experts and walk the
// places in order.
#ifndef SWITCHYARD_KERNELS_CUDA_ROUTE_CUH_
#define SWITCHYARD_KERNELS_CUDA_ROUTE_CUH_

#include <cstdint>

#include "kernels/args/padding.h"
#include "kernels/cuda/block_scan.cuh"

namespace switchyard::kernels::cuda {

inline constexpr int kMostRouteThreads = 512;

struct PlacedTokens {
  const uint8_t* x;
  int64_t x_stride;  // bytes
  const int32_t* ids;
  int64_t ids_stride;
  const int64_t* cache_slots;  // null: all are tokens
  int num_tokens, num_slots;
  uint8_t* places_x;
  int64_t places_x_stride;  // bytes
  int32_t* places_ids;
  int64_t places_ids_stride;
  int64_t row_bytes;
};

// A block for each place.
inline __global__ void PlaceTokensKernel(PlacedTokens tokens) {
  const int64_t place = blockIdx.x;
  const bool has_row = place < tokens.num_tokens;
  const bool has_token =
      has_row && (tokens.cache_slots == nullptr || tokens.cache_slots[place] != kNoSlot);
  for (int j = static_cast<int>(threadIdx.x); j < tokens.num_slots; j += blockDim.x) {
    tokens.places_ids[place * tokens.places_ids_stride + j] =
        has_token ? tokens.ids[place * tokens.ids_stride + j] : -1;
  }
  if (!has_row) return;
  CopyRow(tokens.x + place * tokens.x_stride, tokens.places_x + place * tokens.places_x_stride,
          tokens.row_bytes);
}

struct RouteParts {
  const int32_t* ids;
  int64_t ids_stride;
  const int64_t* cache_slots;  // of one rank's places; null: all are tokens
  int num_places, num_slots;
  const int32_t* rank_of_expert;
  const int32_t* local_index_of_expert;
  int num_experts, num_local;
  int rank, num_ranks, own_tokens, returned_slots;
  int32_t* spans;
  int32_t* places;
  int num_rows;
  int32_t* returned;  // null for one rank
  int32_t* row_of;
  int64_t row_of_stride;
  int32_t* expert_rows;

  __device__ const int32_t* slots(int place) const { return ids + place * ids_stride; }
  __device__ bool HasToken(int place) const {
    return slots(place)[0] != -1 && (cache_slots == nullptr || cache_slots[place] != kNoSlot);
  }
  // The local index of the expert, or -1: another rank has it.
  __device__ int LocalIndex(int32_t id) const {
    if (id < 0 || id >= num_experts) __trap();
    return rank_of_expert[id] == rank ? local_index_of_expert[id] : -1;
  }
};

// A slot of a place: what threads walk, so that neighbours read neighbours.
struct PlacedSlot {
  int place, slot;
  int local;  // of its expert; -1: another rank's, or there is no token

  __device__ PlacedSlot(const RouteParts& parts, int item)
      : place(item / parts.num_slots), slot(item % parts.num_slots), local(-1) {
    if (place >= parts.num_places) return;
    if (parts.cache_slots != nullptr && parts.cache_slots[place] == kNoSlot) return;
    const int32_t* const ids = parts.slots(place);
    if (ids[slot] != -1 || ids[0] != -1) local = parts.LocalIndex(ids[slot]);
  }
};

// Rows of the local experts before `expert`, on every thread. Checks ids by the way.
__device__ inline int RowsBefore(const RouteParts& parts, int expert, int* partial) {
  int count = 0;
  const int items = parts.num_places * parts.num_slots;
  for (int item = static_cast<int>(threadIdx.x); item < items; item += blockDim.x) {
    const PlacedSlot at(parts, item);
    const int32_t* const id = parts.slots(at.place) + at.slot;
    if (at.slot > 0 && id[0] <= id[-1] && id[0] != -1) __trap();
    count += at.local >= 0 && at.local < expert;
  }
  return ScanBlock(count, partial).total;
}

// Where the output of a row goes.
__device__ inline void SetOutput(const RouteParts& parts, const PlacedSlot& at, int row) {
  if (parts.returned == nullptr) {
    parts.row_of[at.place * parts.row_of_stride + at.slot] = row;
    return;
  }
  int before = 0;  // slots of the token that meet experts of this rank
  for (int j = 0; j < at.slot; ++j) {
    before += parts.LocalIndex(parts.slots(at.place)[j]) >= 0;
  }
  if (before >= parts.returned_slots) __trap();
  parts.returned[at.place * parts.returned_slots + before] = row;
}

// The block of a local expert: its rows, in the order of the places.
__device__ inline void RouteToExpert(const RouteParts& parts, int expert, int begin, int* partial) {
  int rows = 0;
  const int items = parts.num_places * parts.num_slots;
  for (int base = 0; base < items; base += blockDim.x) {
    const PlacedSlot at(parts, base + static_cast<int>(threadIdx.x));
    const bool met = at.local == expert;
    const Scan scan = ScanBlock(met ? 1 : 0, partial);
    if (met) {
      const int row = begin + rows + scan.before;
      parts.places[row] = at.place;
      SetOutput(parts, at, row);
    }
    rows += scan.total;
  }
  if (threadIdx.x == 0) {
    parts.spans[2 * expert] = begin;
    parts.spans[2 * expert + 1] = rows;
    parts.expert_rows[expert] += rows;
  }
}

// A token that nothing is handed back for.
__device__ inline void FindNothing(const RouteParts& parts, int token) {
  for (int j = 0; j < parts.num_slots; ++j) parts.row_of[token * parts.row_of_stride + j] = -1;
}

// For one of this rank's own tokens: the places of its outputs in what all ranks hand back.
__device__ inline void FindOutputs(const RouteParts& parts, int token) {
  const int places = parts.num_places / parts.num_ranks;
  if (!parts.HasToken(parts.rank * places + token)) return FindNothing(parts, token);
  const int32_t* const ids = parts.slots(parts.rank * places + token);
  for (int j = 0; j < parts.num_slots; ++j) {
    const int rank = parts.rank_of_expert[ids[j]];
    int before = 0;
    for (int i = 0; i < j; ++i) before += parts.rank_of_expert[ids[i]] == rank;
    parts.row_of[token * parts.row_of_stride + j] =
        (rank * places + token) * parts.returned_slots + before;
  }
}

// The last block: this rank's own tokens, and whatever stays empty. `num_rows`: of the batch.
__device__ inline void RouteTheRest(const RouteParts& parts, int num_rows) {
  const int thread = static_cast<int>(threadIdx.x);
  const int first = parts.rank * (parts.num_places / parts.num_ranks);
  if (thread == 0) {
    parts.spans[2 * parts.num_local] = 0;
    parts.spans[2 * parts.num_local + 1] = parts.own_tokens;
  }
  for (int t = thread; t < parts.own_tokens; t += blockDim.x) parts.places[t] = first + t;
  for (int i = num_rows + thread; i < parts.num_rows; i += blockDim.x) parts.places[i] = -1;
  if (parts.returned == nullptr) {
    for (int t = thread; t < parts.own_tokens; t += blockDim.x) {
      if (!parts.HasToken(t)) FindNothing(parts, t);
    }
    return;
  }
  for (int t = thread; t < parts.own_tokens; t += blockDim.x) FindOutputs(parts, t);
  for (int place = thread; place < parts.num_places; place += blockDim.x) {
    const int32_t* const ids = parts.slots(place);
    int met = 0;
    for (int j = 0; ids[0] != -1 && j < parts.num_slots; ++j) met += parts.LocalIndex(ids[j]) >= 0;
    for (int i = met; i < parts.returned_slots; ++i) {
      parts.returned[place * parts.returned_slots + i] = -1;
    }
  }
}

// A block for each local expert, and one more. Each counts for itself what lies before its rows:
// ids are few, and a second launch would cost more.
inline __global__ void __launch_bounds__(kMostRouteThreads) RouteTokensKernel(RouteParts parts) {
  __shared__ int partial[kMostRouteThreads / kWarpThreads];
  const auto expert = static_cast<int>(blockIdx.x);
  const int begin = parts.own_tokens + RowsBefore(parts, expert, partial);
  if (expert < parts.num_local) {
    RouteToExpert(parts, expert, begin, partial);
  } else {
    RouteTheRest(parts, begin);
  }
}

// A block for each row of y.
inline __global__ void SelectRowsKernel(const uint8_t* x, int64_t x_stride, int64_t num_rows,
                                        const int32_t* rows, uint8_t* y, int64_t y_stride,
                                        int64_t row_bytes) {
  const int64_t row = rows[blockIdx.x];
  if (row == -1) return;
  if (row < 0 || row >= num_rows) __trap();
  CopyRow(x + row * x_stride, y + blockIdx.x * y_stride, row_bytes);
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ROUTE_CUH_
