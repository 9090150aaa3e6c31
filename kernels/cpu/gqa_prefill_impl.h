// Attention of the query heads that share one key-value head over one tile of cached keys, as a
// template over a Dot type (attention_dot.h). Included by attention_{portable,avx2,avx512}.cc
// alone.
#ifndef SWITCHYARD_KERNELS_CPU_GQA_PREFILL_IMPL_H_
#define SWITCHYARD_KERNELS_CPU_GQA_PREFILL_IMPL_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/cpu/attention_kernels.h"
#include "kernels/cpu/attention_rows_impl.h"
#include "kernels/cpu/gqa_tile.h"

namespace switchyard::kernels::cpu {

template <class Dot>
class GqaPrefillGroup {
 public:
  static void Run(const GqaPrefillTask& task) {
    GqaPrefillGroup group(task, WorkPieces(task.work));
    group.tile_.Pack();
    for (int64_t head = 0; head < task.num_heads; ++head) {
      for (int64_t row = 0; row < task.num_rows; row += kRows) {
        group.RunRows(head, row, std::min<int64_t>(task.num_rows - row, kRows));
      }
    }
  }

 private:
  static constexpr int kRows = AttentionRows<Dot>::kRows;
  static constexpr int64_t kBlock = GqaTile<Dot>::kBlock;

  GqaPrefillGroup(const GqaPrefillTask& task, WorkPieces work)
      : task_(task),
        tile_(task, work),
        rows_(work, tile_.key_units(), tile_.value_columns(), task.scale) {}

  void RunRows(int64_t head, int64_t first_row, int64_t num_rows) {
    for (int64_t r = 0; r < num_rows; ++r) LoadRow(head, first_row + r, r);
    const int64_t position = task_.first_position + first_row;
    for (int64_t block = tile_.first_block(); block < tile_.num_blocks(); ++block) {
      const int64_t begin = task_.tile_begin + block * kBlock;
      // What the first row sees of it; it lies before the windows of rows from `end` on.
      const SeenKeys seen = {.begin = std::max(position - task_.window + 1 - begin, -kBlock),
                             .end = position - begin + 1};
      const int64_t first = std::max<int64_t>(1 - seen.end, 0);
      const int64_t end = std::min(num_rows, kBlock - seen.begin);
      if (first >= end) continue;
      rows_.RunBlock(tile_, block, first, end - first, {seen.begin + first, seen.end + first});
    }
    for (int64_t r = 0; r < num_rows; ++r) StoreRow(head, first_row + r, r);
  }

  float* OutOf(int64_t head, int64_t row) const {
    return task_.out + row * task_.out_stride + head * task_.dim;
  }
  float* StatsOf(int64_t head, int64_t row) const {
    return task_.stats + 2 * (row * task_.num_heads + head);
  }

  void LoadRow(int64_t head, int64_t row, int64_t r) {
    const int64_t dim = task_.dim;
    Dot::PackRow(rows_.query(r), task_.q + row * task_.q_stride + head * dim, dim);
    float* sums = rows_.sums(r);
    std::memcpy(sums, OutOf(head, row), static_cast<size_t>(dim) * sizeof(float));
    for (int64_t i = dim; i < tile_.value_columns(); ++i) sums[i] = 0;
    rows_.max(r) = StatsOf(head, row)[0];
    rows_.total(r) = StatsOf(head, row)[1];
  }

  void StoreRow(int64_t head, int64_t row, int64_t r) {
    float* out = OutOf(head, row);
    const float* sums = rows_.sums(r);
    const float divisor = task_.last ? rows_.total(r) : 1.0f;
    for (int64_t i = 0; i < task_.dim; ++i) out[i] = sums[i] / divisor;
    StatsOf(head, row)[0] = rows_.max(r);
    StatsOf(head, row)[1] = rows_.total(r);
  }

  const GqaPrefillTask& task_;
  GqaTile<Dot> tile_;
  AttentionRows<Dot> rows_;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_GQA_PREFILL_IMPL_H_
