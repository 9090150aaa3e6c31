#include "kernels/cpu/panel_matrix.h"

#include <algorithm>

#include "base/check.h"

namespace switchyard::kernels::cpu {
namespace {

// Where the K of a slice is cut. Borders depend on the whole tensor's columns and on the shards
// alone, so that a slice of columns that begins at a shard border has the whole tensor's cuts.
std::vector<Segment> CutColumns(const LinearSource& source, bool at_scale_blocks) {
  const int64_t columns = source.weight.dims[1];
  const int64_t shard_columns = columns / source.k_shards;
  const int64_t first_group = source.col_offset / kScaleColumns;
  std::vector<Segment> segments;
  for (int64_t begin = 0; begin < columns;) {
    const int64_t column = source.col_offset + begin;
    const int64_t group = column / kScaleColumns;
    int64_t end = (begin / shard_columns + 1) * shard_columns;
    if (at_scale_blocks) end = std::min(end, (group + 1) * kScaleColumns - source.col_offset);
    segments.push_back({.column_begin = begin,
                        .columns = end - begin,
                        .scale_group = group - first_group,
                        .begins_shard = begin % shard_columns == 0});
    begin = end;
  }
  return segments;
}

PanelFormat ChooseFormat(const LinearSource& source) {
  const bool f8 = source.weight.dtype == DType::kF8E4M3;
  if (source.compute == Compute::kF32 || (source.compute == Compute::kW8A8 && !f8)) {
    return PanelFormat::kF32;
  }
  return f8 ? PanelFormat::kF8 : PanelFormat::kBf16;
}

int64_t ElementBytes(PanelFormat format) {
  switch (format) {
    case PanelFormat::kF8:
      return 1;
    case PanelFormat::kBf16:
      return 2;
    case PanelFormat::kF32:
      return 4;
  }
  return 0;
}

}  // namespace

const PanelKernels& KernelsFor(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512Bf16) return kAvx512Bf16Kernels;
  if (isa == Isa::kAvx512) return kAvx512Kernels;
  if (isa == Isa::kAvx2) return kAvx2Kernels;
#endif
  SY_CHECK(isa == Isa::kPortable);
  return kPortableKernels;
}

namespace {

// Shards of whole groups; every part has a scale and a sum of its activations.
void PlaceInts(PanelLayout& layout) {
  for (Segment& segment : layout.segments) {
    segment.words = segment.columns / kStepColumns;
    segment.word_begin = layout.row_words;
    segment.byte_begin = layout.panel_bytes;
    layout.row_words += segment.words;
    layout.row_scales += segment.columns / layout.ints->part_columns * 2;
    layout.panel_bytes += segment.columns / layout.ints->group_columns * layout.ints->group_bytes();
  }
}

}  // namespace

PanelLayout MakeLayout(const PanelKernels& kernels, const LinearSource& source) {
  PanelLayout layout;
  layout.ints = ChooseInts(source);
  if (layout.ints) {
    layout.k_shards = source.k_shards;
    layout.col_offset = source.col_offset;
    layout.segments = CutColumns(source, /*at_scale_blocks=*/false);
    PlaceInts(layout);
    return layout;
  }
  layout.format = ChooseFormat(source);
  layout.words = layout.format == PanelFormat::kF32 ? WordForm::kF32 : kernels.bf16_words;
  layout.order = kernels.order[static_cast<int>(layout.format)];
  layout.quantize_x = source.compute == Compute::kW8A8 && layout.scaled();
  layout.col_offset = source.col_offset;
  layout.k_shards = source.k_shards;
  layout.element_bytes = ElementBytes(layout.format);
  layout.segments = CutColumns(source, layout.scaled());

  const int64_t step_columns = layout.order.step_columns;
  const int64_t word_columns = layout.words == WordForm::kBf16Pairs ? 2 : 1;
  for (Segment& segment : layout.segments) {
    const int64_t padded = (segment.columns + step_columns - 1) / step_columns * step_columns;
    segment.words = padded / word_columns;
    segment.word_begin = layout.row_words;
    segment.byte_begin = layout.panel_bytes;
    layout.row_words += segment.words;
    layout.panel_bytes += layout.ScaleBytes() + padded * kPanelRows * layout.element_bytes;
  }
  if (layout.quantize_x) layout.row_scales = std::ssize(layout.segments);
  return layout;
}

bool TakesQuantised(const PanelLayout& layout) {
  if (!layout.quantize_x || layout.col_offset % kScaleColumns != 0) return false;
  int64_t columns = 0;
  for (size_t i = 0; i < layout.segments.size(); ++i) {
    if (layout.segments[i].column_begin != static_cast<int64_t>(i) * kScaleColumns) return false;
    columns += layout.segments[i].columns;
  }
  return std::ssize(layout.segments) == (columns + kScaleColumns - 1) / kScaleColumns;
}

}  // namespace switchyard::kernels::cpu
