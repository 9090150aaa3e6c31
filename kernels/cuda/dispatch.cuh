// Bodies of the kernels that lay out what ranks send each other (kernels/args/moe.h).
#ifndef SWITCHYARD_KERNELS_CUDA_DISPATCH_CUH_
#define SWITCHYARD_KERNELS_CUDA_DISPATCH_CUH_

#include <cstdint>

#include "kernels/cuda/key_lists.cuh"

namespace switchyard::kernels::cuda {

// Bounds what a block has in shared memory.
inline constexpr int kMostDispatchRanks = 1024;

struct DispatchParts {
  ItemRows ids;
  const int32_t* rank_of_expert;
  const int32_t* local_index_of_expert;
  int num_experts, num_ranks;
  int rows_of_block;  // tokens
  int32_t* counts;
  int32_t* tokens;
  int num_rows;
  int32_t* experts;
  int64_t experts_stride;
  int row_experts;
  int32_t* row_of;
  int64_t row_of_stride;

  // Of one warp: the items that it looks at at once, whole tokens.
  static constexpr int kStageInts = kMaxExpertsPerToken;

  static constexpr int64_t SharedSize(int num_experts, int num_ranks, int slots, int threads) {
    const int ints = KeyLists::Ints(num_ranks) + KeyCounts::Ints(num_ranks) + num_experts +
                     2 * kChunkRows * slots + threads / kWarpThreads * kStageInts;
    return ints * int64_t{sizeof(int)};
  }
};

// A block of threads, and the tokens that it owns: their rows, which are listed by rank, and their
// slots.
class DispatchBlock {
 public:
  __device__ DispatchBlock(const DispatchParts& parts, SharedInts memory)
      : parts_(parts),
        slice_(parts.ids.num_rows, parts.rows_of_block),
        slots_(parts.ids.width),
        rows_(parts.num_ranks, memory),
        outputs_(parts.num_ranks, memory),
        homes_{memory.Take(parts.num_experts)},
        chunk_(memory.Take(kChunkRows * slots_)),
        output_of_(memory.Take(kChunkRows * slots_)),
        stage_(memory.Take(thread_.warps * DispatchParts::kStageInts) +
               thread_.warp * DispatchParts::kStageInts) {}

  __device__ void Run(int* partial) {
    rows_.Clear();
    outputs_.Clear();
    homes_.Load(parts_.rank_of_expert, parts_.local_index_of_expert, parts_.num_experts);
    __syncthreads();
    Count();
    __syncthreads();
    const int end = rows_.Begin(0, partial);
    outputs_.Begin(0, partial);
    if (slice_.is_first) {
      StoreRange(parts_.counts, 0, 2 * parts_.num_ranks,
                 [&](int i) { return (i % 2 == 0 ? rows_.total : outputs_.total)[i / 2]; });
    }
    if (slice_.is_last) StoreRange(parts_.tokens, end, parts_.num_rows, [](int) { return -1; });
    for (int first = slice_.begin; first < slice_.end; first += kChunkRows) RunChunk(first);
  }

 private:
  __device__ int HomeAt(int token, int slot) const {
    const int id = parts_.ids.At(token, slot);
    if (id == -1) __trap();
    const int home = homes_.homes[id];
    if (ExpertHomes::RankOf(home) >= parts_.num_ranks) __trap();
    return home;
  }

  // A warp takes whole tokens: then lanes see the slots before their own.
  __device__ void Count() const {
    const int at_once = max(kWarpThreads / slots_, 1);
    for (int first = thread_.warp * at_once; first < parts_.ids.num_rows;
         first += thread_.warps * at_once) {
      const int items = min(at_once, parts_.ids.num_rows - first) * slots_;
      for (int i = thread_.lane; i < items; i += kWarpThreads) {
        stage_[i] = ExpertHomes::RankOf(HomeAt(first + i / slots_, i % slots_));
      }
      __syncwarp();
      for (int i = thread_.lane; i < items; i += kWarpThreads) {
        const bool before_slice = first + i / slots_ < slice_.begin;
        bool is_first = true;
        for (int j = i - i % slots_; j < i; ++j) is_first &= stage_[j] != stage_[i];
        if (is_first) rows_.Count(stage_[i], before_slice);
        outputs_.Count(stage_[i], before_slice);
      }
      __syncwarp();
    }
  }

  __device__ void RunChunk(int first) const {
    for (int i = thread_.index; i < kChunkRows * slots_; i += thread_.count) {
      const int row = i / slots_;
      chunk_[i] = first + row < slice_.end ? HomeAt(first + row, i % slots_) : -1;
      if (chunk_[i] != -1) rows_.Mark(ExpertHomes::RankOf(chunk_[i]), row);
    }
    __syncthreads();
    for (int rank = thread_.warp; rank < parts_.num_ranks; rank += thread_.warps) {
      rows_.StoreRun(rank, first, parts_.tokens);
      StoreExperts(rank);
      FindOutputs(rank);
    }
    __syncthreads();
    for (int i = thread_.index; i < kChunkRows * slots_; i += thread_.count) {
      if (chunk_[i] == -1) continue;
      parts_.row_of[(first + i / slots_) * parts_.row_of_stride + i % slots_] = output_of_[i];
    }
    rows_.Advance();
    __syncthreads();
  }

  // By a warp: the experts of the chunk's rows to `rank`.
  __device__ void StoreExperts(int rank) const {
    const uint32_t mask = rows_.masks[rank];
    const int lane = thread_.lane, width = parts_.row_experts;
    if ((mask >> lane & 1) != 0) stage_[__popc(mask & ((1u << lane) - 1))] = lane;
    __syncwarp();
    for (int i = lane; i < __popc(mask) * width; i += kWarpThreads) {
      const int row = i / width, wanted = i % width;
      int listed = 0, expert = -1;
      for (int j = 0; j < slots_; ++j) {
        const int home = chunk_[stage_[row] * slots_ + j];
        if (ExpertHomes::RankOf(home) != rank) continue;
        if (listed == wanted) expert = ExpertHomes::LocalOf(home);
        ++listed;
      }
      if (listed > width) __trap();
      parts_.experts[(rows_.next[rank] + row) * parts_.experts_stride + wanted] = expert;
    }
    __syncwarp();
  }

  // By a warp: what comes back from `rank` for the chunk's slots, in their order.
  __device__ void FindOutputs(int rank) const {
    int next = outputs_.next[rank];
    for (int i = thread_.lane; i < kChunkRows * slots_; i += kWarpThreads) {
      const bool meets = ExpertHomes::RankOf(chunk_[i]) == rank;
      const uint32_t lanes = __ballot_sync(0xffffffffu, meets);
      if (meets) output_of_[i] = next + __popc(lanes & ((1u << thread_.lane) - 1));
      next += __popc(lanes);
    }
    __syncwarp();  // all lanes have read outputs_.next
    if (thread_.lane == 0) outputs_.next[rank] = next;
  }

  const DispatchParts& parts_;
  const ListThread thread_;
  const RowSlice slice_;
  const int slots_;
  const KeyLists rows_;      // by rank
  const KeyCounts outputs_;  // likewise: one for each slot
  const ExpertHomes homes_;
  int* const chunk_;      // [kChunkRows, slots]: homes
  int* const output_of_;  // likewise
  int* const stage_;      // of this warp
};

inline __global__ void __launch_bounds__(kMostListThreads)
    DispatchTokensKernel(const __grid_constant__ DispatchParts parts) {
  extern __shared__ int dispatch_memory[];
  __shared__ int partial[kMostListThreads / kWarpThreads];
  DispatchBlock(parts, {dispatch_memory}).Run(partial);
}

struct ReceiveParts {
  ItemRows experts;  // of what was received, local indices
  int num_local, own_tokens;
  int rows_of_block;  // of what was received
  int32_t* spans;
  int32_t* sources;
  int32_t* returned;
  int num_rows;
  int32_t* expert_rows;

  static constexpr int64_t SharedSize(int num_local, int row_experts) {
    return (KeyLists::Ints(num_local) + kChunkRows * row_experts) * int64_t{sizeof(int)};
  }
};

// A block of threads, and the received rows that it owns: it adds them to the experts' lists.
class ReceiveBlock {
 public:
  __device__ ReceiveBlock(const ReceiveParts& parts, SharedInts memory)
      : parts_(parts),
        slice_(parts.experts.num_rows, parts.rows_of_block),
        width_(parts.experts.width),
        lists_(parts.num_local, memory),
        chunk_(memory.Take(kChunkRows * width_)) {}

  __device__ void Run(int* partial) {
    lists_.Clear();
    __syncthreads();
    const int items = parts_.experts.num_rows * width_;
    for (int i = thread_.index; i < items; i += thread_.count) {
      const int expert = parts_.experts.At(i / width_, i % width_);
      if (expert != -1) lists_.Count(expert, i / width_ < slice_.begin);
    }
    __syncthreads();
    int outputs = Before(partial);
    if (lists_.Begin(0, partial) != parts_.num_rows) __trap();
    __syncthreads();
    if (slice_.is_first) {
      StoreSpans(lists_, parts_.own_tokens, parts_.own_tokens, parts_.spans, parts_.expert_rows);
    }
    for (int first = slice_.begin; first < slice_.end; first += kChunkRows) {
      outputs = RunChunk(first, outputs, partial);
    }
  }

 private:
  // Items before the slice.
  __device__ int Before(int* partial) const {
    int before = 0;
    for (int key = thread_.index; key < lists_.keys; key += thread_.count) {
      before += lists_.next[key];
    }
    return ScanBlock(before, partial).total;
  }

  // `outputs`: before the chunk; returns those up to its end.
  __device__ int RunChunk(int first, int outputs, int* partial) const {
    for (int i = thread_.index; i < kChunkRows * width_; i += thread_.count) {
      const int row = i / width_;
      chunk_[i] = first + row < slice_.end ? parts_.experts.At(first + row, i % width_) : -1;
      if (chunk_[i] != -1) lists_.Mark(chunk_[i], row);
    }
    __syncthreads();
    for (int base = 0; base < kChunkRows * width_; base += thread_.count) {
      const int i = base + thread_.index;
      const int expert = i < kChunkRows * width_ ? chunk_[i] : -1;
      const Scan scan = ScanBlock(expert != -1 ? 1 : 0, partial);
      if (expert != -1) {
        parts_.returned[outputs + scan.before] = lists_.PlaceOf(expert, i / width_);
      }
      outputs += scan.total;
    }
    lists_.StoreRuns(first, parts_.sources);
    __syncthreads();
    lists_.Advance();
    __syncthreads();
    return outputs;
  }

  const ReceiveParts& parts_;
  const ListThread thread_;
  const RowSlice slice_;
  const int width_;
  const KeyLists lists_;
  int* const chunk_;  // [kChunkRows, width]
};

inline __global__ void __launch_bounds__(kMostListThreads)
    ReceiveTokensKernel(const __grid_constant__ ReceiveParts parts) {
  extern __shared__ int receive_memory[];
  __shared__ int partial[kMostListThreads / kWarpThreads];
  ReceiveBlock(parts, {receive_memory}).Run(partial);
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_DISPATCH_CUH_
