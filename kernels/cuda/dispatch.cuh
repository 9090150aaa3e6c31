// Bodies of the kernels that lay out what ranks send each other (kernels/args/moe.h). Rows stand in
// one order whatever the order of threads: blocks own ranks, or experts, and walk the tokens in
// order.
#ifndef SWITCHYARD_KERNELS_CUDA_DISPATCH_CUH_
#define SWITCHYARD_KERNELS_CUDA_DISPATCH_CUH_

#include <cstdint>

#include "kernels/cuda/block_scan.cuh"

namespace switchyard::kernels::cuda {

inline constexpr int kMostDispatchThreads = 512;

struct DispatchParts {
  const int32_t* ids;
  int64_t ids_stride;
  int num_tokens, num_slots;
  const int32_t* rank_of_expert;
  const int32_t* local_index_of_expert;
  int num_experts;
  int32_t* counts;
  int32_t* tokens;
  int num_rows;
  int32_t* experts;
  int64_t experts_stride;
  int row_experts;
  int32_t* row_of;
  int64_t row_of_stride;

  __device__ const int32_t* slots(int token) const { return ids + token * ids_stride; }
  __device__ int RankOf(int32_t id) const {
    if (id < 0 || id >= num_experts) __trap();
    return rank_of_expert[id];
  }
};

struct DispatchCounts {
  int rows, slots;
};

// What goes to the ranks before `rank`, on every thread. Checks ids by the way.
__device__ inline DispatchCounts CountBefore(const DispatchParts& parts, int rank, int* partial) {
  DispatchCounts count{0, 0};
  for (int token = static_cast<int>(threadIdx.x); token < parts.num_tokens; token += blockDim.x) {
    const int32_t* const ids = parts.slots(token);
    for (int j = 0; j < parts.num_slots; ++j) {
      if (j > 0 && ids[j] <= ids[j - 1]) __trap();
      const int to = parts.RankOf(ids[j]);
      if (to >= rank) continue;
      bool is_first = true;
      for (int i = 0; i < j; ++i) is_first &= parts.rank_of_expert[ids[i]] != to;
      count.rows += is_first ? 1 : 0;
      ++count.slots;
    }
  }
  return {ScanBlock(count.rows, partial).total, ScanBlock(count.slots, partial).total};
}

// One row to `rank`, with its experts there; their outputs will come back from `slot` on.
__device__ inline void WriteRow(const DispatchParts& parts, int rank, int token, int row,
                                int slot) {
  const int32_t* const ids = parts.slots(token);
  int32_t* const list = parts.experts + row * parts.experts_stride;
  int listed = 0;
  parts.tokens[row] = token;
  for (int j = 0; j < parts.num_slots; ++j) {
    if (parts.rank_of_expert[ids[j]] != rank) continue;
    if (listed == parts.row_experts) __trap();
    list[listed] = parts.local_index_of_expert[ids[j]];
    parts.row_of[token * parts.row_of_stride + j] = slot + listed;
    ++listed;
  }
  for (; listed < parts.row_experts; ++listed) list[listed] = -1;
}

// A block for each rank. Each counts for itself what lies before its rows.
inline __global__ void __launch_bounds__(kMostDispatchThreads)
    DispatchTokensKernel(DispatchParts parts) {
  __shared__ int partial[kMostDispatchThreads / kWarpThreads];
  const auto rank = static_cast<int>(blockIdx.x);
  const DispatchCounts before = CountBefore(parts, rank, partial);
  DispatchCounts own{0, 0};
  for (int base = 0; base < parts.num_tokens; base += blockDim.x) {
    const int token = base + static_cast<int>(threadIdx.x);
    int slots = 0;
    for (int j = 0; token < parts.num_tokens && j < parts.num_slots; ++j) {
      slots += parts.rank_of_expert[parts.slots(token)[j]] == rank;
    }
    const Scan row = ScanBlock(slots > 0 ? 1 : 0, partial);
    const Scan slot = ScanBlock(slots, partial);
    if (slots > 0) {
      WriteRow(parts, rank, token, before.rows + own.rows + row.before,
               before.slots + own.slots + slot.before);
    }
    own.rows += row.total;
    own.slots += slot.total;
  }
  if (threadIdx.x == 0) {
    parts.counts[2 * rank] = own.rows;
    parts.counts[2 * rank + 1] = own.slots;
  }
  if (blockIdx.x + 1 < gridDim.x) return;
  const int end = before.rows + own.rows;
  for (int i = end + static_cast<int>(threadIdx.x); i < parts.num_rows; i += blockDim.x) {
    parts.tokens[i] = -1;
  }
}

struct ReceiveParts {
  const int32_t* experts;
  int64_t experts_stride;
  int num_received, row_experts, num_local, own_tokens;
  int32_t* spans;
  int32_t* sources;
  int32_t* returned;
  int num_rows;
  int32_t* expert_rows;

  __device__ const int32_t* list(int row) const { return experts + row * experts_stride; }
};

// Rows of the local experts before `expert`, on every thread. Checks lists by the way.
__device__ inline int CountBefore(const ReceiveParts& parts, int expert, int* partial) {
  int count = 0;
  for (int row = static_cast<int>(threadIdx.x); row < parts.num_received; row += blockDim.x) {
    const int32_t* const list = parts.list(row);
    for (int i = 0; i < parts.row_experts && list[i] != -1; ++i) {
      if (list[i] < 0 || list[i] >= parts.num_local || (i > 0 && list[i] <= list[i - 1])) __trap();
      count += list[i] < expert ? 1 : 0;
    }
  }
  return ScanBlock(count, partial).total;
}

// The block of a local expert: its rows, in the order in which they were received.
__device__ inline void ReceiveForExpert(const ReceiveParts& parts, int expert, int begin,
                                        int* partial) {
  int rows = 0, outputs = 0;
  for (int base = 0; base < parts.num_received; base += blockDim.x) {
    const int received = base + static_cast<int>(threadIdx.x);
    int listed = 0, at = -1;
    for (; received < parts.num_received && listed < parts.row_experts; ++listed) {
      const int32_t listed_expert = parts.list(received)[listed];
      if (listed_expert == -1) break;
      if (listed_expert == expert) at = listed;
    }
    const Scan row = ScanBlock(at >= 0 ? 1 : 0, partial);
    const Scan output = ScanBlock(listed, partial);
    if (at >= 0) {
      const int source = begin + rows + row.before;
      const int back = outputs + output.before + at;
      if (source >= parts.num_rows || back >= parts.num_rows) __trap();
      parts.sources[source] = received;
      parts.returned[back] = source;
    }
    rows += row.total;
    outputs += output.total;
  }
  if (threadIdx.x == 0) {
    parts.spans[2 * expert] = parts.own_tokens + begin;
    parts.spans[2 * expert + 1] = rows;
    parts.expert_rows[expert] += rows;
  }
}

// A block for each local expert, and one more.
inline __global__ void __launch_bounds__(kMostDispatchThreads)
    ReceiveTokensKernel(ReceiveParts parts) {
  __shared__ int partial[kMostDispatchThreads / kWarpThreads];
  const auto expert = static_cast<int>(blockIdx.x);
  const int begin = CountBefore(parts, expert, partial);
  if (expert < parts.num_local) return ReceiveForExpert(parts, expert, begin, partial);
  if (begin != parts.num_rows) __trap();
  if (threadIdx.x == 0) {
    parts.spans[2 * expert] = 0;
    parts.spans[2 * expert + 1] = parts.own_tokens;
  }
}

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_DISPATCH_CUH_
