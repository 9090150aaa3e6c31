#include "kernels/cuda/choose/gemm_layout.h"

#include <algorithm>
#include <numeric>

namespace switchyard::kernels::cuda {
namespace {

constexpr int64_t kCodeColumns = TileColumns(GemmForm::kInt4);

// Of each tile of codes, of those that no border of a shard or of the slice cuts. 0: the weight is
// widened while it is packed.
int32_t GroupsOf(const LinearSource& source) {
  const int64_t shard_columns = source.weight.dims[1] / source.k_shards;
  const int64_t columns = std::gcd(std::gcd(source.block_cols, shard_columns), source.col_offset);
  if (source.weight.dtype == DType::kF4E2M1) return columns % (kCodeColumns / 2) == 0 ? 2 : 0;
  // Other arithmetics do not round what codes stand for.
  if (source.weight.dtype != DType::kU4 || source.compute != Compute::kBf16) return 0;
  if (columns % kCodeColumns == 0) return 1;
  return columns % (kCodeColumns / 2) == 0 ? 2 : 0;
}

GemmForm FormOf(const LinearSource& source) {
  if (GroupsOf(source) > 0) {
    return source.weight.dtype == DType::kU4 ? GemmForm::kInt4 : GemmForm::kMxfp4;
  }
  if (source.weight.dtype != DType::kF8E4M3) return GemmForm::kBf16;
  return source.compute == Compute::kW8A8 ? GemmForm::kE4m3 : GemmForm::kBf16Scaled;
}

// bf16 has 8 bits of significand, f16 11, f32 24; a code times its scale up to 16, or 2.
int32_t PlanesOf(const LinearSource& source) {
  if (source.compute == Compute::kBf16) return 1;
  switch (source.weight.dtype) {
    case DType::kF32:
    case DType::kU4:
      return 3;
    case DType::kF16:
      return 2;
    default:
      return 1;
  }
}

// Columns [begin, end), which are summed by themselves.
void AddTiles(int64_t begin, int64_t end, KLayout& layout) {
  const int64_t step = TileColumns(layout.form);
  const auto group = static_cast<int32_t>((layout.lead + begin) / kScaleColumns);
  const auto first = layout.tiles.size();
  for (; begin < end; begin += step) {
    layout.tiles.push_back({.column = static_cast<int32_t>(begin),
                            .columns = static_cast<int32_t>(std::min(step, end - begin)),
                            .scale_group = group});
  }
  while ((layout.tiles.size() - first) % TilesPerScale(layout.form) != 0) {
    layout.tiles.push_back({.column = static_cast<int32_t>(end), .scale_group = group});
  }
}

}  // namespace

KLayout MakeKLayout(const LinearSource& source) {
  KLayout layout{.form = FormOf(source), .planes = PlanesOf(source)};
  if (IsCoded(layout.form)) layout.groups = GroupsOf(source);
  layout.columns = source.weight.dims[1];
  layout.lead = source.col_offset % kScaleColumns;
  const int64_t shard_columns = layout.columns / source.k_shards;
  for (int64_t begin = 0; begin < layout.columns;) {
    if (begin % shard_columns == 0) {
      layout.part_begin.push_back(static_cast<int32_t>(layout.tiles.size()));
    }
    int64_t end = (begin / shard_columns + 1) * shard_columns;
    if (layout.scaled()) {
      const int64_t group = (layout.lead + begin) / kScaleColumns;
      end = std::min(end, (group + 1) * kScaleColumns - layout.lead);
    }
    AddTiles(begin, end, layout);
    begin = end;
  }
  layout.part_begin.push_back(static_cast<int32_t>(layout.tiles.size()));
  return layout;
}

bool TakesQuantised(const KLayout& layout) {
  if (!layout.quantised() || layout.lead != 0) return false;
  for (size_t i = 0; i < layout.tiles.size(); ++i) {
    if (layout.tiles[i].column != static_cast<int64_t>(i) * kScaleColumns) return false;
  }
  return layout.num_tiles() == (layout.columns + kScaleColumns - 1) / kScaleColumns;
}

}  // namespace switchyard::kernels::cuda
