// Rows of items that go to lists by a key of theirs: tokens to experts, or to ranks. A list is in
// the order of the rows, whatever the order of threads.
//
// Blocks own slices of the rows; what lies before its slice each counts for itself: items are few,
// and a second launch would cost more. All walk items as they lie in memory, so that neighbours
// read neighbours. In a chunk of 32 rows a bit for each says which have a key: so a warp writes
// what a chunk adds to a list as one run.
#ifndef SWITCHYARD_KERNELS_CUDA_KEY_LISTS_CUH_
#define SWITCHYARD_KERNELS_CUDA_KEY_LISTS_CUH_

#include <cstdint>

#include "kernels/args/moe.h"
#include "kernels/cuda/block_scan.cuh"
#include "kernels/cuda/choose/list_grid.h"

namespace switchyard::kernels::cuda {

// Of a block: where its items, its warp and its lane begin.
struct ListThread {
  int index = static_cast<int>(threadIdx.x), count = static_cast<int>(blockDim.x);
  int warp = index / kWarpThreads, warps = count / kWarpThreads;
  int lane = index % kWarpThreads;
};

// The rows that a block owns.
struct RowSlice {
  int begin, end;
  bool is_first, is_last;

  __device__ RowSlice(int num_rows, int rows_of_block)
      : begin(static_cast<int>(blockIdx.x) * rows_of_block),
        end(min(begin + rows_of_block, num_rows)),
        is_first(blockIdx.x == 0),
        is_last(blockIdx.x + 1 == gridDim.x) {}
};

// Ids that ascend, below `limit`, or -1 in a whole row; where rows are ragged, behind the last id.
struct ItemRows {
  const int32_t* data;
  int64_t stride;
  int num_rows, width, limit;
  bool ragged = false;

  // What cannot be ends the program.
  __device__ int At(int row, int column) const {
    const int32_t* const item = data + row * stride + column;
    const int32_t value = *item, before = column > 0 ? item[-1] : -2;
    if (value < -1 || value >= limit) __trap();
    if (value == -1 && before >= 0 && !ragged) __trap();
    if (value != -1 && (before == -1 || before >= value)) __trap();
    return value;
  }
};

// Hands out a block's shared memory.
struct SharedInts {
  int* next;
  __device__ int* Take(int count) {
    int* const taken = next;
    next += count;
    return taken;
  }
};

// Where experts live, by id: in shared memory, rank and local index in one number.
struct ExpertHomes {
  static constexpr int kLocalBits = 10;
  static_assert(kMaxExperts == 1 << kLocalBits);
  int* homes;

  __device__ static int RankOf(int home) { return home >> kLocalBits; }  // -1 of -1
  __device__ static int LocalOf(int home) { return home & ((1 << kLocalBits) - 1); }

  __device__ void Load(const int32_t* rank_of, const int32_t* local_of, int count) const {
    for (int id = static_cast<int>(threadIdx.x); id < count; id += static_cast<int>(blockDim.x)) {
      const int32_t rank = rank_of[id], local = local_of[id];
      if (rank < 0 || rank >> (31 - kLocalBits) != 0 || local < 0 || local >= kMaxExperts) __trap();
      homes[id] = rank << kLocalBits | local;
    }
  }
};

// How many there are of each key, and where a block's next one goes. Calls are of all threads, with
// a __syncthreads between them.
struct KeyCounts {
  int keys;
  int* total;  // [keys]
  int* next;   // [keys]; until Begin: how many lie before the slice

  static constexpr int Ints(int keys) { return 2 * keys; }
  __device__ KeyCounts(int keys, SharedInts& memory)
      : keys(keys), total(memory.Take(keys)), next(memory.Take(keys)) {}

  __device__ void Clear() const {
    for (int key = static_cast<int>(threadIdx.x); key < keys; key += blockDim.x) {
      total[key] = 0;
      next[key] = 0;
    }
  }
  __device__ void Count(int key, bool before) const {
    atomicAdd(&total[key], 1);
    if (before) atomicAdd(&next[key], 1);
  }
  // The lists lie one behind the other from `begin` on; returns where the last one ends.
  __device__ int Begin(int begin, int* partial) const {
    for (int base = 0; base < keys; base += static_cast<int>(blockDim.x)) {
      const int key = base + static_cast<int>(threadIdx.x);
      const Scan scan = ScanBlock(key < keys ? total[key] : 0, partial);
      if (key < keys) next[key] += begin + scan.before;
      begin += scan.total;
    }
    return begin;
  }
};

// The same of rows that have a key once, and a chunk of them.
struct KeyLists : KeyCounts {
  uint32_t* masks;  // [keys]: rows of the chunk, a bit each

  static constexpr int Ints(int keys) { return 3 * keys; }
  __device__ KeyLists(int keys, SharedInts& memory)
      : KeyCounts(keys, memory), masks(reinterpret_cast<uint32_t*>(memory.Take(keys))) {}

  __device__ void Clear() const {
    KeyCounts::Clear();
    for (int key = static_cast<int>(threadIdx.x); key < keys; key += blockDim.x) masks[key] = 0;
  }
  __device__ void Mark(int key, int row) const { atomicOr(&masks[key], uint32_t{1} << row); }
  // After Mark of all: where the row stands.
  __device__ int PlaceOf(int key, int row) const {
    return next[key] + __popc(masks[key] & ((uint32_t{1} << row) - 1));
  }
  // By a warp: the chunk's part of one list. `first`: of the chunk's rows.
  __device__ void StoreRun(int key, int first, int32_t* to) const {
    const int lane = static_cast<int>(threadIdx.x) % kWarpThreads;
    if ((masks[key] >> lane & 1) != 0) to[PlaceOf(key, lane)] = first + lane;
  }
  __device__ void StoreRuns(int first, int32_t* to) const {
    const ListThread thread;
    for (int key = thread.warp; key < keys; key += thread.warps) StoreRun(key, first, to);
  }
  // On to the next chunk.
  __device__ void Advance() const {
    for (int key = static_cast<int>(threadIdx.x); key < keys; key += blockDim.x) {
      next[key] += __popc(masks[key]);
      masks[key] = 0;
    }
  }
};

// to[i] = value(i) for i of [begin, end), by a block: requests begin where sectors do.
template <typename Value>
__device__ void StoreRange(int32_t* to, int begin, int end, const Value& value) {
  constexpr int kSectorInts = 8;
  const int from = begin / kSectorInts * kSectorInts + static_cast<int>(threadIdx.x);
  for (int i = from; i < end; i += static_cast<int>(blockDim.x)) {
    if (i >= begin) to[i] = value(i);
  }
}

// Spans of a RoutedMlp, and what its experts have computed so far, after Begin: by the first block.
// `shift`: from lists to rows of the batch.
__device__ inline void StoreSpans(const KeyCounts& lists, int shift, int own_tokens, int32_t* spans,
                                  int32_t* expert_rows) {
  StoreRange(spans, 0, 2 * lists.keys + 2, [&](int i) {
    const int key = i / 2;
    if (key == lists.keys) return i % 2 == 0 ? 0 : own_tokens;
    return i % 2 == 0 ? shift + lists.next[key] : lists.total[key];
  });
  for (int key = static_cast<int>(threadIdx.x); key < lists.keys; key += blockDim.x) {
    expert_rows[key] += lists.total[key];
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_KEY_LISTS_CUH_
