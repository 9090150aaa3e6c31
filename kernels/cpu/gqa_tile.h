// Cached keys and values of one head, packed for products, as a template over a Dot type
// (attention_dot.h). The panels are those of attention_tile.h.
#ifndef SWITCHYARD_KERNELS_CPU_GQA_TILE_H_
#define SWITCHYARD_KERNELS_CPU_GQA_TILE_H_

#include <cstdint>
#include <cstring>

#include "kernels/cpu/attention_kernels.h"
#include "kernels/cpu/attention_product.h"
#include "kernels/cpu/attention_tile.h"

namespace switchyard::kernels::cpu {

template <class Dot>
class GqaTile {
 public:
  static constexpr int64_t kColumns = kPanelColumns<Dot>;
  static constexpr int64_t kBlock = kPrefillBlockTokens;

  GqaTile(const GqaPrefillTask& task, WorkPieces& work)
      : task_(task),
        key_units_((task.dim + kDepth - 1) / kDepth),
        row_units_(RoundUp(key_units_, kLanes)),
        value_columns_(RoundUp(task.dim, kColumns)),
        keys_(work.Take(kPrefillTileTokens * key_units_)),
        values_(work.Take(kPrefillTileTokens / kDepth * value_columns_)),
        zeros_(work.Take(task.dim)),
        rows_(work.Take(kLanes * row_units_)) {}

  // Whole blocks, from that of the first key that is there on.
  void Pack() {
    std::memset(zeros_, 0, static_cast<size_t>(task_.dim) * sizeof(float));
    const int64_t begin = first_block() * kBlock, end = num_blocks() * kBlock;
    for (int64_t key = begin; key < end; key += kLanes) PackKeys(key);
    for (int64_t key = begin; key < end; key += kDepth) PackValues(key);
  }

  int64_t key_units() const { return key_units_; }
  int64_t value_columns() const { return value_columns_; }  // whole panels
  int64_t first_block() const { return task_.first_key / kBlock; }
  int64_t num_blocks() const { return (task_.num_keys + kBlock - 1) / kBlock; }

  float* KeyPanel(int64_t block, int64_t key) const {
    return keys_ + (block * kBlock + key) * key_units_;
  }
  float* ValuePanel(int64_t block, int64_t column) const {
    return values_ + (block * value_columns_ + column) * (kBlock / kDepth);
  }

 private:
  using V = typename Dot::V;
  using F = typename V::F;
  using Key = typename Dot::Key;
  static constexpr int64_t kLanes = V::kLanes;
  static constexpr int64_t kDepth = Dot::kDepth;
  static_assert(kColumns % (2 * kLanes) == 0);

  // Of the tile's i-th position; zeros where there is none.
  const Key* EntryOf(const void* const* entries, int64_t i) const {
    const bool there = i >= task_.first_key && i < task_.num_keys;
    return static_cast<const Key*>(there ? entries[i] : zeros_);
  }

  // kLanes keys: their rows of units, transposed.
  void PackKeys(int64_t first) {
    constexpr int64_t kStep = kLanes * kDepth;
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const Key* key = EntryOf(task_.keys, first + lane);
      float* units = rows_ + lane * row_units_;
      int64_t at = 0;
      for (; at + kStep <= task_.dim; at += kStep) {
        V::Store(units + at / kDepth, Dot::LoadKey(key + at));
      }
      if (at < task_.dim) V::Store(units + at / kDepth, Dot::LoadKeyPart(key + at, task_.dim - at));
    }
    float* panel = KeyPanel(first / kBlock, first % kBlock / kColumns * kColumns);
    V::Transpose(rows_, row_units_, key_units_, panel + first % kColumns, kColumns);
  }

  // kDepth keys.
  void PackValues(int64_t first) {
    const Key* rows[kDepth];
    for (int64_t i = 0; i < kDepth; ++i) rows[i] = EntryOf(task_.values, first + i);
    for (int64_t column = 0; column < value_columns_; column += 2 * kLanes) {
      F low = V::Zero(), high = V::Zero();
      const int64_t left = task_.dim - column;
      if (left >= 2 * kLanes) {
        Dot::LoadColumns(rows, column, low, high);
      } else if (left > 0) {
        Dot::LoadColumnsPart(rows, column, left, low, high);
      }
      float* units = ValuePanel(first / kBlock, column / kColumns * kColumns) +
                     first % kBlock / kDepth * kColumns + column % kColumns;
      V::Store(units, low);
      V::Store(units + kLanes, high);
    }
  }

  const GqaPrefillTask& task_;
  const int64_t key_units_;
  const int64_t row_units_;  // whole vectors
  const int64_t value_columns_;
  float* const keys_;
  float* const values_;
  float* const zeros_;  // a key or value that is not there
  float* const rows_;   // [kLanes, row_units]
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_GQA_TILE_H_
