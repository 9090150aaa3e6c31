// One head's keys and values of a prefill tile, packed for products, as a template over a Dot type
// (attention_dot.h).
#ifndef SWITCHYARD_KERNELS_CPU_ATTENTION_TILE_H_
#define SWITCHYARD_KERNELS_CPU_ATTENTION_TILE_H_

#include <cstdint>
#include <cstring>

#include "kernels/cpu/attention_kernels.h"
#include "kernels/cpu/attention_product.h"

namespace switchyard::kernels::cpu {

// Hands out 64-byte aligned pieces of a task's working memory.
class WorkPieces {
 public:
  explicit WorkPieces(float* work) : next_(work) {}
  float* Take(int64_t count) {
    float* piece = next_;
    next_ += RoundUp(count, kMaxLanes);
    return piece;
  }

 private:
  float* next_;
};

// Keys of a block as panels [key_units, kColumns], lanes being keys; values as panels [kBlockUnits,
// kColumns], lanes being value columns. Blocks are filled up with zeros, so that whole blocks can
// be multiplied.
template <class Dot>
class AttentionTile {
 public:
  static constexpr int64_t kColumns = kPanelColumns<Dot>;
  static constexpr int64_t kBlock = kPrefillBlockTokens;
  static constexpr int64_t kBlockUnits = kBlock / Dot::kDepth;
  static_assert(kBlock % kColumns == 0);

  AttentionTile(const PrefillTask& task, WorkPieces& work)
      : task_(task),
        key_dim_(task.dims.nope + task.dims.rope),
        key_units_((key_dim_ + kDepth - 1) / kDepth),
        value_columns_(RoundUp(task.dims.value, kColumns)),
        keys_(work.Take(kPrefillTileTokens * key_units_)),
        values_(work.Take(kPrefillTileTokens / kDepth * value_columns_)),
        row_(work.Take(key_dim_)),
        rows_(work.Take(kLanes * key_units_)) {}

  // The tile as far as the newest row sees it.
  void Pack() {
    const int64_t newest = task_.first_position + task_.num_rows - 1;
    const int64_t seen = newest - task_.tile_begin + 1;
    num_keys_ = seen < task_.num_keys ? seen : task_.num_keys;
    for (int64_t key = 0; key < num_blocks() * kBlock; key += kLanes) PackKeys(key);
    for (int64_t key = 0; key < num_blocks() * kBlock; key += kDepth) PackValues(key);
  }

  int64_t key_dim() const { return key_dim_; }
  int64_t key_units() const { return key_units_; }
  int64_t value_columns() const { return value_columns_; }  // whole panels
  // That any row sees.
  int64_t num_blocks() const { return num_keys_ > 0 ? (num_keys_ + kBlock - 1) / kBlock : 0; }

  float* KeyPanel(int64_t block, int64_t key) const {
    return keys_ + (block * kBlock + key) * key_units_;
  }
  float* ValuePanel(int64_t block, int64_t column) const {
    return values_ + (block * value_columns_ + column) * kBlockUnits;
  }

 private:
  using V = typename Dot::V;
  static constexpr int64_t kLanes = V::kLanes;
  static constexpr int64_t kDepth = Dot::kDepth;

  // kLanes keys: their rows of units, transposed.
  void PackKeys(int64_t first) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      float* units = rows_ + lane * key_units_;
      const int64_t key = first + lane;
      if (key < num_keys_) {
        PackKey(task_.kv + key * task_.kv_stride, task_.k_pe + key * task_.k_pe_stride, units);
      } else {
        std::memset(units, 0, static_cast<size_t>(key_units_) * sizeof(float));
      }
    }
    float* panel = KeyPanel(first / kBlock, first % kBlock / kColumns * kColumns);
    V::Transpose(rows_, key_units_, key_units_, panel + first % kColumns, kColumns);
  }

  // A key lies in two parts.
  void PackKey(const float* nope, const float* rope, float* units) {
    std::memcpy(row_, nope, static_cast<size_t>(task_.dims.nope) * sizeof(float));
    std::memcpy(row_ + task_.dims.nope, rope, static_cast<size_t>(task_.dims.rope) * sizeof(float));
    Dot::PackRow(units, row_, key_dim_);
  }

  // kDepth keys.
  void PackValues(int64_t first) {
    const float* rows[kDepth];
    for (int64_t column = 0; column < value_columns_; column += kColumns) {
      for (int64_t i = 0; i < kDepth; ++i) {
        const float* kv = task_.kv + (first + i) * task_.kv_stride + task_.dims.nope + column;
        rows[i] = first + i < num_keys_ ? kv : nullptr;
      }
      float* units = ValuePanel(first / kBlock, column) + first % kBlock / kDepth * kColumns;
      const int64_t left = task_.dims.value - column;
      Dot::PackColumns(units, rows, left < kColumns ? left : kColumns);
      for (int64_t i = left; i < kColumns; ++i) units[i] = 0;
    }
  }

  const PrefillTask& task_;
  const int64_t key_dim_;
  const int64_t key_units_;
  const int64_t value_columns_;
  int64_t num_keys_ = 0;  // that any row sees
  float* const keys_;
  float* const values_;
  float* const row_;   // one key, whole
  float* const rows_;  // [kLanes, key_units]
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_TILE_H_
