// Bodies of the kernels that route tokens to experts (kernels/args/moe.h): no count leaves the
// device.
#ifndef SWITCHYARD_KERNELS_CUDA_ROUTE_CUH_
#define SWITCHYARD_KERNELS_CUDA_ROUTE_CUH_

#include <cstdint>

#include "kernels/args/padding.h"
#include "kernels/cuda/key_lists.cuh"

namespace switchyard::kernels::cuda {

struct RouteParts {
  ItemRows places_ids;         // of all ranks' places
  const int64_t* cache_slots;  // of one rank's places; null: all are tokens
  const int32_t* rank_of_expert;
  const int32_t* local_index_of_expert;
  int num_experts, num_local;
  int rank, places_of_rank, own_tokens, returned_slots;
  int rows_of_block;  // places
  int32_t* spans;
  int32_t* places;
  int num_rows;
  int32_t* returned;  // null for one rank
  int32_t* row_of;
  int64_t row_of_stride;
  int32_t* expert_rows;

  static constexpr int64_t SharedSize(int num_experts, int num_local, int slots,
                                      int returned_slots) {
    const int ints =
        KeyLists::Ints(num_local) + num_experts + kChunkRows * (slots + returned_slots);
    return ints * int64_t{sizeof(int)};
  }
};

// A block of threads, and the places that it owns. Of these it says where outputs go, and it adds
// them to the experts' lists.
class RouteBlock {
 public:
  __device__ RouteBlock(const RouteParts& parts, SharedInts memory)
      : parts_(parts),
        slice_(parts.places_ids.num_rows, parts.rows_of_block),
        slots_(parts.places_ids.width),
        lists_(parts.num_local, memory),
        homes_{memory.Take(parts.num_experts)},
        chunk_(memory.Take(kChunkRows * slots_)),
        handed_(memory.Take(kChunkRows * parts.returned_slots)) {}

  __device__ void Run(int* partial) {
    lists_.Clear();
    homes_.Load(parts_.rank_of_expert, parts_.local_index_of_expert, parts_.num_experts);
    __syncthreads();
    Count();
    __syncthreads();
    const int end = lists_.Begin(parts_.own_tokens, partial);
    __syncthreads();
    if (slice_.is_first) {
      const int own = parts_.rank * parts_.places_of_rank;
      StoreSpans(lists_, 0, parts_.own_tokens, parts_.spans, parts_.expert_rows);
      StoreRange(parts_.places, 0, parts_.own_tokens, [&](int i) { return own + i; });
    }
    if (slice_.is_last) StoreRange(parts_.places, end, parts_.num_rows, [](int) { return -1; });
    for (int first = slice_.begin; first < slice_.end; first += kChunkRows) RunChunk(first);
  }

 private:
  // Of a slot's expert; -1: the place has no token.
  __device__ int HomeAt(int place, int slot) const {
    const int id = parts_.places_ids.At(place, slot);
    if (id == -1) return -1;
    if (parts_.cache_slots != nullptr && parts_.cache_slots[place] == kNoSlot) return -1;
    return homes_.homes[id];
  }

  // The expert's list, or -1: another rank has it.
  __device__ int KeyOf(int home) const {
    if (ExpertHomes::RankOf(home) != parts_.rank) return -1;
    const int local = ExpertHomes::LocalOf(home);
    if (local >= parts_.num_local) __trap();
    return local;
  }

  __device__ void Count() const {
    const int items = parts_.places_ids.num_rows * slots_;
    for (int i = thread_.index; i < items; i += thread_.count) {
      const int place = i / slots_;
      const int key = KeyOf(HomeAt(place, i % slots_));
      if (key >= 0) lists_.Count(key, place < slice_.begin);
    }
  }

  __device__ void RunChunk(int first) const {
    for (int i = thread_.index; i < kChunkRows * slots_; i += thread_.count) {
      const int row = i / slots_;
      chunk_[i] = first + row < slice_.end ? HomeAt(first + row, i % slots_) : -1;
      const int key = KeyOf(chunk_[i]);
      if (key >= 0) lists_.Mark(key, row);
    }
    const int handed = kChunkRows * parts_.returned_slots;
    for (int i = thread_.index; i < handed; i += thread_.count) handed_[i] = -1;
    __syncthreads();
    for (int i = thread_.index; i < kChunkRows * slots_; i += thread_.count) FindOutput(first, i);
    lists_.StoreRuns(first, parts_.places);
    __syncthreads();
    if (parts_.returned != nullptr) {
      const int begin = first * parts_.returned_slots;
      const int end = min(first + kChunkRows, slice_.end) * parts_.returned_slots;
      StoreRange(parts_.returned, begin, end, [&](int i) { return handed_[i - begin]; });
    }
    lists_.Advance();
    __syncthreads();
  }

  // Of item `i` of the chunk: what this rank hands back for it, and where its token finds it.
  __device__ void FindOutput(int first, int i) const {
    const int home = chunk_[i], row = i / slots_, slot = i % slots_, place = first + row;
    if (place >= slice_.end) return;
    const int key = KeyOf(home);
    const int output = key >= 0 ? lists_.PlaceOf(key, row) : -1;
    if (parts_.returned == nullptr) {
      parts_.row_of[place * parts_.row_of_stride + slot] = output;
      return;
    }
    const int rank = ExpertHomes::RankOf(home);
    int before = 0;  // slots of the token that meet experts of the same rank
    for (int j = i - slot; j < i; ++j) before += ExpertHomes::RankOf(chunk_[j]) == rank;
    if (key >= 0) {
      if (before >= parts_.returned_slots) __trap();
      handed_[row * parts_.returned_slots + before] = output;
    }
    const int token = place - parts_.rank * parts_.places_of_rank;
    if (token < 0 || token >= parts_.own_tokens) return;
    parts_.row_of[token * parts_.row_of_stride + slot] =
        home < 0 ? -1 : (rank * parts_.places_of_rank + token) * parts_.returned_slots + before;
  }

  const RouteParts& parts_;
  const ListThread thread_;
  const RowSlice slice_;
  const int slots_;
  const KeyLists lists_;
  const ExpertHomes homes_;
  int* const chunk_;   // [kChunkRows, slots]: homes
  int* const handed_;  // [kChunkRows, returned slots]
};

inline __global__ void __launch_bounds__(kMostListThreads)
    RouteTokensKernel(const __grid_constant__ RouteParts parts) {
  extern __shared__ int route_memory[];
  __shared__ int partial[kMostListThreads / kWarpThreads];
  RouteBlock(parts, {route_memory}).Run(partial);
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_ROUTE_CUH_
