// Naive attention of one head over one tile, as a template over a Dot type (attention_dot.h).
// Included by attention_{portable,avx2, avx512}.cc alone.
//
// Each block of keys: scores [rows, 64] = q k^T, one online-softmax step, then sums [rows, value] =
// sums * decay + p v. Keys that a row does not see are left out of its sums, not multiplied by
// zero: what lies there, a NaN even, cannot reach it.
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_PREFILL_IMPL_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_PREFILL_IMPL_H_

#include <cstdint>
#include <cstring>
#include <limits>

#include "kernels/cpu/attention_kernels.h"
#include "kernels/cpu/attention_product.h"
#include "kernels/cpu/attention_tile.h"

namespace switchyard::kernels::cpu {

template <class Dot>
class PrefillHead {
 public:
  static void Run(const PrefillTask& task) {
    PrefillHead head(task, WorkPieces(task.work));
    head.tile_.Pack();
    for (int64_t row = 0; row < task.num_rows; row += kRows) {
      head.RunRows(row, task.num_rows - row < kRows ? task.num_rows - row : kRows);
    }
  }

 private:
  using V = typename Dot::V;
  using F = typename V::F;
  using Tile = AttentionTile<Dot>;
  using Product = PanelProduct<Dot>;
  static constexpr int64_t kLanes = V::kLanes;
  static constexpr int64_t kDepth = Dot::kDepth;
  static constexpr int kRows = V::kTileRows;
  static constexpr int64_t kColumns = Tile::kColumns;
  static constexpr int64_t kBlock = Tile::kBlock;
  static constexpr int64_t kBlockUnits = Tile::kBlockUnits;

  PrefillHead(const PrefillTask& task, WorkPieces work)
      : task_(task),
        tile_(task, work),
        key_units_(tile_.key_units()),
        value_columns_(tile_.value_columns()),
        q_(work.Take(kRows * key_units_)),
        sums_(work.Take(kRows * value_columns_)),
        scores_(work.Take(kRows * kBlock)),
        p_(work.Take(kRows * kBlockUnits)) {}

  void RunRows(int64_t first_row, int64_t num_rows) {
    for (int64_t r = 0; r < num_rows; ++r) {
      const int64_t row = first_row + r;
      Dot::PackRow(q_ + r * key_units_, task_.q + row * task_.q_stride, tile_.key_dim());
      const float* state = task_.state + row * task_.state_stride;
      std::memcpy(sums_ + r * value_columns_, state,
                  static_cast<size_t>(task_.dims.value) * sizeof(float));
      for (int64_t i = task_.dims.value; i < value_columns_; ++i) sums_[r * value_columns_ + i] = 0;
      max_[r] = state[task_.dims.value];
      total_[r] = state[task_.dims.value + 1];
    }
    for (int64_t block = 0; block < tile_.num_blocks(); ++block) {
      // Rows before `first` end before this block begins.
      const int64_t begin = task_.tile_begin + block * kBlock;
      const int64_t position = task_.first_position + first_row;
      const int64_t first = position >= begin ? 0 : begin - position;
      if (first < num_rows) RunBlock(block, position + first - begin + 1, first, num_rows - first);
    }
    for (int64_t r = 0; r < num_rows; ++r) StoreRow(first_row + r, r);
  }

  void StoreRow(int64_t row, int64_t r) const {
    const float* sums = sums_ + r * value_columns_;
    if (task_.out != nullptr) {
      float* out = task_.out + row * task_.out_stride;
      for (int64_t i = 0; i < task_.dims.value; ++i) out[i] = sums[i] / total_[r];
      return;
    }
    float* state = task_.state + row * task_.state_stride;
    std::memcpy(state, sums, static_cast<size_t>(task_.dims.value) * sizeof(float));
    state[task_.dims.value] = max_[r];
    state[task_.dims.value + 1] = total_[r];
  }

  // Rows [first, first + num_rows) against one block, of which the first of them sees `seen` keys,
  // the next one more.
  void RunBlock(int64_t block, int64_t seen, int64_t first, int64_t num_rows) {
    for (int64_t key = 0; key < kBlock; key += kColumns) {
      Product::Begin(num_rows, {.a = q_ + first * key_units_,
                                .a_stride = key_units_,
                                .panel = tile_.KeyPanel(block, key),
                                .num_units = key_units_,
                                .c = scores_ + first * kBlock + key,
                                .c_stride = kBlock});
    }
    float decay[kRows];
    for (int64_t r = 0; r < num_rows; ++r) {
      const int64_t sees = seen + r < kBlock ? seen + r : kBlock;
      decay[r] = Softmax(first + r, sees);
    }
    const int64_t common = seen < kBlock ? seen / kDepth : kBlockUnits;
    for (int64_t column = 0; column < value_columns_; column += kColumns) {
      Product::Add(num_rows, {.a = p_ + first * kBlockUnits,
                              .a_stride = kBlockUnits,
                              .panel = tile_.ValuePanel(block, column),
                              .num_units = common,
                              .c = sums_ + first * value_columns_ + column,
                              .c_stride = value_columns_,
                              .decay = decay});
    }
    for (int64_t r = 0; r < num_rows; ++r) {
      const int64_t sees = seen + r < kBlock ? seen + r : kBlock;
      if (sees > common * kDepth) AddLastKeys(block, first + r, common, sees);
    }
  }

  // One step of the online softmax: turns a row's scores into the units of p and returns the factor
  // that older sums shrink by.
  float Softmax(int64_t r, int64_t sees) {
    constexpr int64_t kScoreVecs = kBlock / kLanes;
    const F scale = V::Set(task_.scale);
    const F hidden = V::Set(-std::numeric_limits<float>::infinity());
    float* scores = scores_ + r * kBlock;
    F x[kScoreVecs];
    F highest = hidden;
    for (int64_t i = 0; i < kScoreVecs; ++i) {
      x[i] = V::Mul(V::Load(scores + i * kLanes), scale);
      const int64_t left = sees - i * kLanes;
      if (left < kLanes) x[i] = left > 0 ? V::KeepFirst(x[i], left, hidden) : hidden;
      highest = V::Max(highest, x[i]);
    }
    const float block_max = V::MaxLane(highest);
    const float max = block_max > max_[r] ? block_max : max_[r];
    F sum = V::Zero();
    for (int64_t i = 0; i < kScoreVecs; ++i) {
      const F p = V::Exp(V::Sub(x[i], V::Set(max)));
      V::Store(scores + i * kLanes, p);
      sum = V::Add(sum, p);
    }
    Dot::PackRow(p_ + r * kBlockUnits, scores, kBlock);
    const float decay = V::FirstLane(V::Exp(V::Set(max_[r] - max)));
    total_[r] = total_[r] * decay + V::Sum(sum);
    max_[r] = max;
    return decay;
  }

  // The keys that row r sees after the first `begin` units.
  void AddLastKeys(int64_t block, int64_t r, int64_t begin, int64_t sees) {
    constexpr float kKeep[1] = {1.0f};
    const float* p = p_ + r * kBlockUnits;
    const int64_t end = sees / kDepth;
    for (int64_t column = 0; column < value_columns_; column += kColumns) {
      const float* panel = tile_.ValuePanel(block, column);
      float* sums = sums_ + r * value_columns_ + column;
      Product::Add(1, {.a = p + begin,
                       .panel = panel + begin * kColumns,
                       .num_units = end - begin,
                       .c = sums,
                       .decay = kKeep});
      if (end * kDepth == sees) continue;
      for (int64_t i = 0; i < kColumns; i += kLanes) {
        const F first_key = Dot::FirstRowOnly(V::Load(panel + end * kColumns + i));
        V::Store(sums + i, Dot::Step(V::Load(sums + i), first_key, V::Set(p[end])));
      }
    }
  }

  const PrefillTask& task_;
  Tile tile_;
  const int64_t key_units_;
  const int64_t value_columns_;
  float* const q_;       // [kRows, key_units]
  float* const sums_;    // [kRows, value_columns]
  float* const scores_;  // [kRows, kBlock]
  float* const p_;       // [kRows, kBlockUnits]
  float max_[kRows];
  float total_[kRows];
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_PREFILL_IMPL_H_
