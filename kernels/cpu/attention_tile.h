// One head's keys and values of a prefill tile, laid out for products, as templates over a Dot type
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

// One head's part of a tile: keys of a block as panels [key_units, kColumns], lanes being keys;
// values as panels [kBlockUnits, kColumns], lanes being value columns. Whole blocks are multiplied,
// whatever lies where a block has no key yet: no row sees it.
template <class Dot>
class TilePanels {
 public:
  static constexpr int64_t kColumns = kPanelColumns<Dot>;
  static constexpr int64_t kBlock = kPrefillBlockTokens;
  static constexpr int64_t kBlockUnits = kBlock / Dot::kDepth;
  static_assert(kBlock % kColumns == 0);

  // `memory`: HeadTileFloats() of them.
  TilePanels(float* memory, const HeadDims& dims)
      : key_units_(KeyUnits(dims)),
        value_columns_(RoundUp(dims.value, kColumns)),
        keys_(memory),
        values_(memory + kPrefillTileTokens * key_units_) {}

  static int64_t KeyUnits(const HeadDims& dims) {
    return (dims.nope + dims.rope + Dot::kDepth - 1) / Dot::kDepth;
  }

  int64_t key_units() const { return key_units_; }
  int64_t value_columns() const { return value_columns_; }  // whole panels

  float* KeyPanel(int64_t block, int64_t key) const {
    return keys_ + (block * kBlock + key) * key_units_;
  }
  float* ValuePanel(int64_t block, int64_t column) const {
    return values_ + (block * value_columns_ + column) * kBlockUnits;
  }

 private:
  const int64_t key_units_;
  const int64_t value_columns_;
  float* const keys_;
  float* const values_;
};

// Lays out rows of keys and values as panels.
template <class Dot>
class TilePacker {
 public:
  TilePacker(const HeadDims& dims, WorkPieces& work)
      : dims_(dims),
        key_units_(TilePanels<Dot>::KeyUnits(dims)),
        row_(work.Take(dims.nope + dims.rope)),
        rows_(work.Take(kLanes * key_units_)) {}

  // Keys [begin, end) of the tile, whose rows begin at `rows`. What lies before them stays.
  void Pack(const TilePanels<Dot>& panels, const HeadRows& rows, int64_t begin, int64_t end) {
    for (int64_t key = begin; key < end;) {
      const bool whole = key % kLanes == 0 && key + kLanes <= end;
      if (whole) {
        PackKeys(panels, rows, key, key - begin);
      } else {
        PackKey(panels, rows, key, key - begin);
      }
      key += whole ? kLanes : 1;
    }
    for (int64_t key = begin - begin % kDepth; key < end; key += kDepth) {
      PackValues(panels, rows, key, begin, end);
    }
  }

 private:
  using V = typename Dot::V;
  static constexpr int64_t kLanes = V::kLanes;
  static constexpr int64_t kDepth = Dot::kDepth;
  static constexpr int64_t kColumns = kPanelColumns<Dot>;
  static constexpr int64_t kBlock = kPrefillBlockTokens;
  static_assert(kDepth == 1 || kDepth == 2);

  static float* KeyColumn(const TilePanels<Dot>& panels, int64_t key) {
    return panels.KeyPanel(key / kBlock, key % kBlock / kColumns * kColumns) + key % kColumns;
  }

  // kLanes keys: their rows of units, transposed.
  void PackKeys(const TilePanels<Dot>& panels, const HeadRows& rows, int64_t key, int64_t row) {
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      MakeUnits(rows, row + lane, rows_ + lane * key_units_);
    }
    V::Transpose(rows_, key_units_, key_units_, KeyColumn(panels, key), kColumns);
  }

  void PackKey(const TilePanels<Dot>& panels, const HeadRows& rows, int64_t key, int64_t row) {
    MakeUnits(rows, row, rows_);
    float* column = KeyColumn(panels, key);
    for (int64_t i = 0; i < key_units_; ++i) {
      std::memcpy(column + i * kColumns, rows_ + i, sizeof(float));
    }
  }

  // A key lies in two parts.
  void MakeUnits(const HeadRows& rows, int64_t row, float* units) {
    std::memcpy(row_, rows.kv + row * rows.kv_stride,
                static_cast<size_t>(dims_.nope) * sizeof(float));
    std::memcpy(row_ + dims_.nope, rows.k_pe + row * rows.k_pe_stride,
                static_cast<size_t>(dims_.rope) * sizeof(float));
    Dot::PackUnits(units, row_, dims_.nope + dims_.rope);
  }

  // The values of one unit: of keys from `key` on, those that lie in [begin, end).
  void PackValues(const TilePanels<Dot>& panels, const HeadRows& rows, int64_t key, int64_t begin,
                  int64_t end) {
    for (int64_t column = 0; column < dims_.value; column += kColumns) {
      const float* values[kDepth];
      for (int64_t i = 0; i < kDepth; ++i) {
        const bool there = key + i >= begin && key + i < end;
        values[i] =
            there ? rows.kv + (key + i - begin) * rows.kv_stride + dims_.nope + column : nullptr;
      }
      float* units = panels.ValuePanel(key / kBlock, column) + key % kBlock / kDepth * kColumns;
      const int64_t left = dims_.value - column, count = left < kColumns ? left : kColumns;
      if (values[0] != nullptr) {
        Dot::PackColumns(units, values, count);
      } else {
        AddSecondRow(units, values, count);
      }
      for (int64_t i = left; i < kColumns; ++i) units[i] = 0;
    }
  }

  // The second halves of units whose first halves are there.
  static void AddSecondRow(float* units, const float* const* values, int64_t count) {
    float seconds[kColumns];
    Dot::PackColumns(seconds, values, count);
    for (int64_t i = 0; i < count; ++i) {
      uint32_t unit, second;
      std::memcpy(&unit, units + i, sizeof(unit));
      std::memcpy(&second, seconds + i, sizeof(second));
      unit = (unit & 0xffffu) | second;
      std::memcpy(units + i, &unit, sizeof(unit));
    }
  }

  const HeadDims dims_;
  const int64_t key_units_;
  float* const row_;   // one key, whole
  float* const rows_;  // [kLanes, key_units]
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_ATTENTION_TILE_H_
