// Query rows of one head against packed keys and values, as a template over a Dot type
// (attention_dot.h). Included by attention_{portable,avx2,avx512,avx512bf16}.cc alone.
//
// Each block of keys: scores [rows, 64] = q k^T, one online-softmax step, then sums [rows, value] =
// sums * decay + p v. Keys that a row does not see are left out of its sums, not multiplied by
// zero: what lies there, a NaN even, cannot reach it.
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_ROWS_IMPL_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_ROWS_IMPL_H_

#include <algorithm>
#include <cstdint>
#include <limits>

#include "kernels/cpu/attention_kernels.h"
#include "kernels/cpu/attention_product.h"
#include "kernels/cpu/attention_tile.h"

namespace switchyard::kernels::cpu {

// Which keys of a block the first of some rows sees; each further row sees those one further. May
// reach out of the block.
struct SeenKeys {
  int64_t begin = 0;
  int64_t end = 0;
};

// Up to V::kTileRows rows. A Tile has KeyPanel(block, key) and ValuePanel(block, column), as
// attention_tile.h lays them out.
template <class Dot>
class AttentionRows {
 public:
  static constexpr int kRows = Dot::V::kTileRows;

  AttentionRows(WorkPieces& work, int64_t key_units, int64_t value_columns, float scale)
      : key_units_(key_units),
        value_columns_(value_columns),
        scale_(scale),
        query_size_(key_units * Dot::kParts),
        q_(work.Take(kRows * query_size_)),
        sums_(work.Take(kRows * value_columns)),
        scores_(work.Take(kRows * kBlock)),
        p_(work.Take(kRows * kWeightsSize)) {}

  // Of row r: units of its query, sums so far (all value columns), and what these are relative to.
  float* query(int64_t r) const { return q_ + r * query_size_; }
  float* sums(int64_t r) const { return sums_ + r * value_columns_; }
  float& max(int64_t r) { return max_[r]; }
  float& total(int64_t r) { return total_[r]; }

  // Rows [first, first + num_rows), each of which sees a key of the block at least.
  template <class Tile>
  void RunBlock(const Tile& tile, int64_t block, int64_t first, int64_t num_rows, SeenKeys seen) {
    for (int64_t key = 0; key < kBlock; key += kColumns) {
      Product::Begin(num_rows, {.a = query(first),
                                .a_stride = query_size_,
                                .panel = tile.KeyPanel(block, key),
                                .num_units = key_units_,
                                .c = scores_ + first * kBlock + key,
                                .c_stride = kBlock});
    }
    float decay[kRows];
    for (int64_t r = 0; r < num_rows; ++r) decay[r] = Softmax(first + r, SeenBy(r, seen));

    // The units that all rows see whole; before and after them each row has its own.
    const int64_t begin = (SeenBy(num_rows - 1, seen).begin + kDepth - 1) / kDepth;
    const int64_t end = std::max(begin, SeenBy(0, seen).end / kDepth);
    for (int64_t r = 0; r < num_rows; ++r) {
      const SeenKeys own = SeenBy(r, seen);
      const int64_t before = std::min(begin * kDepth, own.end);
      if (own.begin >= before) continue;
      AddKeys(tile, block, first + r, {own.begin, before}, decay[r]);
      decay[r] = 1;
    }
    for (int64_t column = 0; column < value_columns_; column += kColumns) {
      Product::Add(num_rows, {.a = p_ + first * kWeightsSize + begin * Dot::kParts,
                              .a_stride = kWeightsSize,
                              .panel = tile.ValuePanel(block, column) + begin * kColumns,
                              .num_units = end - begin,
                              .c = sums(first) + column,
                              .c_stride = value_columns_,
                              .decay = decay});
    }
    for (int64_t r = 0; r < num_rows; ++r) {
      const SeenKeys own = SeenBy(r, seen);
      if (own.end > end * kDepth) AddKeys(tile, block, first + r, {end * kDepth, own.end}, 1.0f);
    }
  }

 private:
  using V = typename Dot::V;
  using F = typename V::F;
  using Product = PanelProduct<Dot>;
  static constexpr int64_t kLanes = V::kLanes;
  static constexpr int64_t kDepth = Dot::kDepth;
  static constexpr int64_t kColumns = kPanelColumns<Dot>;
  static constexpr int64_t kBlock = kPrefillBlockTokens;
  static constexpr int64_t kWeightsSize = kBlock / kDepth * Dot::kParts;

  static SeenKeys SeenBy(int64_t r, SeenKeys seen) {
    return {std::clamp<int64_t>(seen.begin + r, 0, kBlock), std::min(seen.end + r, kBlock)};
  }

  // One step of the online softmax: turns a row's scores into the units of p and returns the factor
  // that older sums shrink by.
  float Softmax(int64_t r, SeenKeys seen) {
    constexpr int64_t kScoreVecs = kBlock / kLanes;
    const F scale = V::Set(scale_);
    const F hidden = V::Set(-std::numeric_limits<float>::infinity());
    float* scores = scores_ + r * kBlock;
    F x[kScoreVecs];
    F highest = hidden;
    for (int64_t i = 0; i < kScoreVecs; ++i) {
      x[i] = V::Mul(V::Load(scores + i * kLanes), scale);
      const int64_t left = seen.end - i * kLanes, before = seen.begin - i * kLanes;
      if (left < kLanes) x[i] = left > 0 ? V::KeepFirst(x[i], left, hidden) : hidden;
      if (before > 0) x[i] = before < kLanes ? V::KeepFirst(hidden, before, x[i]) : hidden;
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
    Dot::PackRow(p_ + r * kWeightsSize, scores, kBlock);
    const float decay = V::FirstLane(V::Exp(V::Set(max_[r] - max)));
    total_[r] = total_[r] * decay + V::Sum(sum);
    max_[r] = max;
    return decay;
  }

  // sums = sums * decay + the weighted values of some keys of the block, for row r alone. REQUIRES:
  // some keys.
  template <class Tile>
  void AddKeys(const Tile& tile, int64_t block, int64_t r, SeenKeys keys, float decay) {
    const float* p = p_ + r * kWeightsSize;
    const int64_t begin = (keys.begin + kDepth - 1) / kDepth, end = keys.end / kDepth;
    for (int64_t column = 0; column < value_columns_; column += kColumns) {
      const float* panel = tile.ValuePanel(block, column);
      float* sums = this->sums(r) + column;
      float shrink = decay;
      if (begin * kDepth > keys.begin) {
        AddUnit(panel, p, begin - 1, Dot::LastRowOnly, shrink, sums);
        shrink = 1;
      }
      const int64_t num_units = std::max<int64_t>(end - begin, 0);
      Product::Add(1, {.a = p + begin * Dot::kParts,
                       .panel = panel + begin * kColumns,
                       .num_units = num_units,
                       .c = sums,
                       .decay = &shrink});
      if (keys.end > end * kDepth && end >= begin) {
        AddUnit(panel, p, end, Dot::FirstRowOnly, 1.0f, sums);
      }
    }
  }

  // A part of a unit of values.
  template <typename Part>
  static void AddUnit(const float* panel, const float* p, int64_t unit, Part part, float decay,
                      float* sums) {
    for (int64_t i = 0; i < kColumns; i += kLanes) {
      const F values = part(V::Load(panel + unit * kColumns + i));
      const F old = V::Mul(V::Load(sums + i), V::Set(decay));
      const float* weights = p + unit * Dot::kParts;
      F sum = Dot::Step(old, Dot::template Part<0>(values), V::Set(weights[0]));
      if constexpr (Dot::kParts == 2) {
        sum = Dot::Step(sum, Dot::template Part<1>(values), V::Set(weights[1]));
      }
      V::Store(sums + i, sum);
    }
  }

  const int64_t key_units_;
  const int64_t value_columns_;
  const float scale_;
  const int64_t query_size_;  // floats
  float* const q_;            // [kRows, query_size]
  float* const sums_;         // [kRows, value_columns]
  float* const scores_;       // [kRows, kBlock]
  float* const p_;            // [kRows, kWeightsSize]
  float max_[kRows];
  float total_[kRows];
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_ROWS_IMPL_H_
