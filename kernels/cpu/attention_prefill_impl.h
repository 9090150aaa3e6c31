// Naive attention of one head over tiles of keys, as a template over a Dot type (attention_dot.h).
// Included by attention_{portable,avx2,avx512,avx512bf16}.cc alone.
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_PREFILL_IMPL_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_PREFILL_IMPL_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/cpu/attention_kernels.h"
#include "kernels/cpu/attention_rows_impl.h"
#include "kernels/cpu/attention_tile.h"

namespace switchyard::kernels::cpu {

template <class Dot>
class PrefillHead {
 public:
  static void Run(const PrefillTask& task) {
    PrefillHead head(task, WorkPieces(task.work));
    if (task.tiles == nullptr) return head.RunTile(head.PackedTile(), 0);
    // No row sees tiles after its position.
    for (int64_t tile = 0; tile < head.num_keys_; tile += kPrefillTileTokens) {
      float* const memory = static_cast<float*>(task.tiles[tile / kPrefillTileTokens]);
      head.RunTile(TilePanels<Dot>(memory + task.head_offset, task.dims), tile);
    }
  }

 private:
  static constexpr int kRows = AttentionRows<Dot>::kRows;
  static constexpr int64_t kBlock = kPrefillBlockTokens;

  PrefillHead(const PrefillTask& task, WorkPieces work)
      : task_(task),
        key_dim_(task.dims.nope + task.dims.rope),
        value_columns_(RoundUp(task.dims.value, kPanelColumns<Dot>)),
        num_keys_(std::min(task.num_keys, task.first_position + task.num_rows - task.tile_begin)),
        rows_(work, TilePanels<Dot>::KeyUnits(task.dims), value_columns_, task.scale),
        work_(work) {}

  // The rows of keys and values, as far as the newest query sees them.
  TilePanels<Dot> PackedTile() {
    TilePanels<Dot> panels(work_.Take(HeadTileFloats(task_.dims, Dot::kDepth)), task_.dims);
    TilePacker<Dot>(task_.dims, work_).Pack(panels, task_.rows, 0, num_keys_);
    return panels;
  }

  // All rows against the keys from the tile_begin-th one on, which `panels` begin with.
  void RunTile(const TilePanels<Dot>& panels, int64_t first_key) {
    const int64_t num_keys = std::min(num_keys_ - first_key, kPrefillTileTokens);
    for (int64_t row = 0; row < task_.num_rows; row += kRows) {
      const int64_t num_rows = std::min<int64_t>(task_.num_rows - row, kRows);
      for (int64_t r = 0; r < num_rows; ++r) LoadRow(row + r, r);
      for (int64_t key = 0; key < num_keys; key += kBlock) {
        // Rows before `first` end before this block begins.
        const int64_t begin = task_.tile_begin + first_key + key;
        const int64_t position = task_.first_position + row;
        const int64_t first = position >= begin ? 0 : begin - position;
        if (first >= num_rows) continue;
        rows_.RunBlock(panels, key / kBlock, first, num_rows - first,
                       {.begin = -kRows, .end = position + first - begin + 1});
      }
      const bool last = first_key + num_keys == num_keys_;
      for (int64_t r = 0; r < num_rows; ++r) StoreRow(row + r, r, last);
    }
  }

  void LoadRow(int64_t row, int64_t r) {
    Dot::PackRow(rows_.query(r), task_.q + row * task_.q_stride, key_dim_);
    const int64_t value = task_.dims.value;
    const float* state = task_.state + row * task_.state_stride;
    float* sums = rows_.sums(r);
    std::memcpy(sums, state, static_cast<size_t>(value) * sizeof(float));
    for (int64_t i = value; i < value_columns_; ++i) sums[i] = 0;
    rows_.max(r) = state[value];
    rows_.total(r) = state[value + 1];
  }

  void StoreRow(int64_t row, int64_t r, bool last) {
    const int64_t value = task_.dims.value;
    const float* sums = rows_.sums(r);
    if (last && task_.out != nullptr) {
      float* out = task_.out + row * task_.out_stride;
      for (int64_t i = 0; i < value; ++i) out[i] = sums[i] / rows_.total(r);
      return;
    }
    float* state = task_.state + row * task_.state_stride;
    std::memcpy(state, sums, static_cast<size_t>(value) * sizeof(float));
    state[value] = rows_.max(r);
    state[value + 1] = rows_.total(r);
  }

  const PrefillTask& task_;
  const int64_t key_dim_;
  const int64_t value_columns_;
  const int64_t num_keys_;  // that any row sees
  AttentionRows<Dot> rows_;
  WorkPieces work_;
};

// Some keys and values of one head, into its part of a tile.
template <class Dot>
void LayOutHead(const LayOutTask& task) {
  WorkPieces work(task.work);
  TilePacker<Dot>(task.dims, work)
      .Pack(TilePanels<Dot>(task.tile, task.dims), task.rows, task.begin, task.begin + task.count);
}

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_PREFILL_IMPL_H_
