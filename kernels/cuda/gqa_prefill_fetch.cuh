// What a block of grouped-query prefill takes, and how it comes into shared memory.
#ifndef SWITCHYARD_KERNELS_CUDA_GQA_PREFILL_FETCH_CUH_
#define SWITCHYARD_KERNELS_CUDA_GQA_PREFILL_FETCH_CUH_

#include <cuda_bf16.h>

#include <cstdint>

#include "kernels/cuda/bad_values.cuh"
#include "kernels/cuda/choose/gqa_shape.h"
#include "kernels/cuda/gqa_common.cuh"
#include "kernels/cuda/kv_cache.h"
#include "kernels/cuda/ptx/registers.cuh"
#include "kernels/cuda/rows_common.cuh"
#include "kernels/cuda/shared_tile.cuh"

namespace switchyard::kernels::cuda {

struct GqaPrefillStep {
  const __nv_bfloat16* q;
  int64_t q_stride;
  int num_queries, first_position;
  int sharing_heads;  // of a key-value head
  bool fast_queries;  // multiples of 16 bytes throughout
  bool fast_keys, fast_out;
  KvCache cache;
  const int32_t* table;  // where the block of position 0 stands, or would stand
  int window;            // keys that a row sees at most
  float scale_log2;      // softmax scale, for powers of 2
  const float* sinks;    // [heads]; may be null
  __nv_bfloat16* out;
  int64_t out_stride;
};

// Rows and turns of a block.
template <int kColumns>
class GqaPrefillFetch {
 protected:
  static constexpr int kStepKeys = kGqaPrefillStepTokens;
  using Values = BadValues<kColumns, kGqaPrefillThreads>;  // of a turn
  static_assert(kStepKeys == Values::kKeys);

  __device__ GqaPrefillFetch(const GqaPrefillStep& step, uint8_t* memory)
      : step_(step), memory_(memory), queries_{ptx::SharedAddress(memory), kGqaPrefillRows} {
    oldest_ = PositionOf(FirstRow());
    newest_ = PositionOf(FirstRow() + kGqaPrefillRows - 1);
    const int begin = oldest_ < step.window ? 0 : oldest_ - step.window + 1;
    tile_begin_ = begin / kStepKeys * kStepKeys;
  }

  // Later queries see more keys: those go first.
  __device__ static int FirstRow() {
    return static_cast<int>(gridDim.x - 1 - blockIdx.x) * kGqaPrefillRows;
  }
  __device__ static int Kv() { return static_cast<int>(blockIdx.y); }

  // Of a row of the op; rows behind the last one are like it.
  __device__ int PositionOf(int row) const {
    const int query = row / step_.sharing_heads;
    return step_.first_position + (query < step_.num_queries ? query : step_.num_queries - 1);
  }
  __device__ int HeadOf(int row) const {
    return Kv() * step_.sharing_heads + row % step_.sharing_heads;
  }
  // This thread's two rows of results. Registers are few: nothing of it is kept from turn to turn.
  __device__ static int RowOf(int half) {
    const int thread = static_cast<int>(ptx::ThreadReadAnew());
    return FirstRow() + thread / kWarpThreads * kRowsOfWarp +
           FragmentRow(thread % kWarpThreads, half);
  }
  __device__ int FirstKey(int turn) const { return tile_begin_ + turn * kStepKeys; }

  __device__ uint8_t* KeysOf(int turn) const {
    return memory_ + kShared.stages_begin + turn % kGqaPrefillStages * kShared.stage_bytes;
  }
  __device__ Values ValuesOf(int turn) const {
    uint8_t* const memory = KeysOf(turn) + kShared.stage_bytes / 2;
    return {memory,
            {ptx::SharedAddress(memory), kStepKeys},
            reinterpret_cast<uint64_t*>(memory_ + kShared.bad_begin)};
  }

  __device__ void FillQueries() {
    const int dim = step_.cache.dim;
    FillRows<kColumns>(memory_, queries_, warp_ * kRowsOfWarp, kRowsOfWarp, dim, step_.fast_queries,
                       lane_, [&](int row) -> const __nv_bfloat16* {
                         const int query = (FirstRow() + row) / step_.sharing_heads;
                         if (query >= step_.num_queries) return nullptr;
                         return step_.q + query * step_.q_stride +
                                int64_t{HeadOf(FirstRow() + row)} * dim;
                       });
  }

  // A warp fetches consecutive keys; its lanes look up one place each.
  __device__ void FillTurn(int turn) {
    constexpr int kKeysPerWarp = kStepKeys / kWarps;
    const int thread = static_cast<int>(ptx::ThreadReadAnew()), lane = thread % kWarpThreads;
    const int first = thread / kWarpThreads * kKeysPerWarp;
    const int own = FirstKey(turn) + first + lane % kKeysPerWarp;
    const __nv_bfloat16* entry = nullptr;
    if (own > oldest_ - step_.window && own <= newest_)
      entry = step_.cache.AtPosition(step_.table, Kv(), own);
    const auto key = [&](int row) {
      return reinterpret_cast<const __nv_bfloat16*>(
          __shfl_sync(0xffffffffu, reinterpret_cast<uint64_t>(entry), row - first));
    };
    const auto value = [&](int row) {
      const __nv_bfloat16* const at = key(row);
      return at == nullptr ? nullptr : at + step_.cache.to_value();
    };
    const Values values = ValuesOf(turn);
    FillRows<kColumns>(KeysOf(turn), {ptx::SharedAddress(KeysOf(turn)), kStepKeys}, first,
                       kKeysPerWarp, step_.cache.dim, step_.fast_keys, lane, key);
    FillRows<kColumns>(values.memory, values.tile, first, kKeysPerWarp, step_.cache.dim,
                       step_.fast_keys, lane, value);
    ptx::CommitCopies();
  }

  const GqaPrefillStep& step_;
  uint8_t* const memory_;
  const SharedTile queries_;
  const int thread_ = static_cast<int>(threadIdx.x);
  const int warp_ = thread_ / kWarpThreads, lane_ = thread_ % kWarpThreads;
  int oldest_, newest_;  // positions of the block's queries
  int tile_begin_;       // the first key of the first turn

 private:
  static constexpr int kWarps = kGqaPrefillThreads / kWarpThreads;
  static constexpr int kRowsOfWarp = kGqaPrefillRows / kWarps;
  static constexpr GqaPrefillShared kShared = GqaPrefillSharedOf(kColumns);
};

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_GQA_PREFILL_FETCH_CUH_
