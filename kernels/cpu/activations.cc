#include "kernels/cpu/activations.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace switchyard::kernels::cpu {
namespace {

// The activation scale of a group (MODEL_SPECS 1.7). ue8m0: the power of two not below amax / 448.
float ScaleOf(float amax, bool ue8m0) {
  constexpr float kLeastAmax = 1e-4f;
  constexpr float kLargestE4M3 = 448.0f;
  const float scale = std::max(amax, kLeastAmax) / kLargestE4M3;
  if (!ue8m0) return scale;
  const uint32_t bits = std::bit_cast<uint32_t>(scale);
  constexpr uint32_t kMantissa = 0x007fffffu;
  const uint32_t exponent = (bits >> 23) + ((bits & kMantissa) != 0 ? 1 : 0);
  return std::bit_cast<float>(exponent << 23);
}

// The row's groups share a scale even where a shard's border cuts them.
float GroupAmaxOf(const PanelKernels& kernels, const PanelLayout& layout, const Segment& segment,
                  const float* x) {
  const int64_t first = layout.col_offset / kScaleColumns;
  const int64_t group_begin = (first + segment.scale_group) * kScaleColumns - layout.col_offset;
  const Segment& last = layout.segments.back();
  const int64_t begin = std::max<int64_t>(0, group_begin);
  const int64_t end = std::min(group_begin + kScaleColumns, last.column_begin + last.columns);
  return kernels.amax(x + begin, end - begin);
}

void QuantizeSegments(const PanelKernels& kernels, const PanelLayout& layout, const float* x,
                      const float* amax, bool ue8m0, uint32_t* words, float* scales) {
  float quantized[kScaleColumns];
  int64_t group = -1;
  float scale = 0;
  for (size_t i = 0; i < layout.segments.size(); ++i) {
    const Segment& segment = layout.segments[i];
    if (segment.scale_group != group) {
      group = segment.scale_group;
      scale =
          ScaleOf(amax != nullptr ? amax[group] : GroupAmaxOf(kernels, layout, segment, x), ue8m0);
    }
    scales[i] = scale;
    kernels.quantize(x + segment.column_begin, segment.columns, scale, quantized);
    kernels.to_words(quantized, segment.columns, words + segment.word_begin, segment.words);
  }
}

void RoundSegments(const PanelKernels& kernels, const PanelLayout& layout, const float* x,
                   uint32_t* words) {
  for (const Segment& segment : layout.segments) {
    const float* from = x + segment.column_begin;
    uint32_t* to = words + segment.word_begin;
    if (layout.format == PanelFormat::kF32) {
      memcpy(to, from, static_cast<size_t>(segment.columns) * sizeof(float));
    } else {
      kernels.to_words(from, segment.columns, to, segment.words);
    }
  }
}

// The scales of a segment's parts lie where its columns do.
void QuantiseToInts(const PanelKernels& kernels, const PanelLayout& layout, const float* x,
                    uint32_t* words, float* scales) {
  const int64_t part = layout.ints->part_columns;
  for (const Segment& segment : layout.segments) {
    kernels.ints->quantise(x + segment.column_begin, segment.columns, part,
                           words + segment.word_begin, scales + segment.column_begin / part * 2);
  }
}

int64_t StrideOf(int64_t row_words) {
  constexpr int64_t kLineWords = 16;
  const int64_t lines = (row_words + kLineWords - 1) / kLineWords;
  return (lines | 1) * kLineWords;  // an odd number of cache lines
}

int64_t GroupsOf(int64_t columns) { return (columns + kScaleColumns - 1) / kScaleColumns; }

// Words of some columns of a group, as MakeLayout pads them.
int64_t WordsFor(const PanelKernels& kernels, int64_t columns) {
  const int64_t step = kernels.order[static_cast<int>(PanelFormat::kF8)].step_columns;
  const int64_t padded = (columns + step - 1) / step * step;
  return kernels.bf16_words == WordForm::kBf16Pairs ? padded / 2 : padded;
}

int64_t QuantisedStride(const PanelKernels& kernels, int64_t columns) {
  return StrideOf(columns / kScaleColumns * WordsFor(kernels, kScaleColumns) +
                  WordsFor(kernels, columns % kScaleColumns));
}

}  // namespace

int64_t WordStride(const PanelLayout& layout) { return StrideOf(layout.row_words); }

void ConvertRows(const CpuContext& cpu, const PanelLayout& layout, const ActivationRows& from,
                 const WordRows& to) {
  constexpr int64_t kTaskElements = 32 << 10;
  const PanelKernels& kernels = KernelsFor(cpu.isa);
  const int64_t grain = std::max<int64_t>(1, kTaskElements / layout.row_words);
  cpu.pool.ForEach(from.rows, grain, [&](int64_t row) {
    const float* x = from.x + row * from.stride;
    uint32_t* words = to.words + row * to.stride;
    float* const scales = layout.row_scales > 0 ? to.scales + row * layout.row_scales : nullptr;
    if (layout.ints) {
      QuantiseToInts(kernels, layout, x, words, scales);
    } else if (layout.quantize_x) {
      const float* amax = from.amax == nullptr ? nullptr : from.amax + row * from.amax_stride;
      QuantizeSegments(kernels, layout, x, amax, from.ue8m0, words, scales);
    } else {
      RoundSegments(kernels, layout, x, words);
    }
  });
}

int64_t QuantisedBytes(const PanelKernels& kernels, int64_t rows, int64_t columns) {
  return rows * (QuantisedStride(kernels, columns) + GroupsOf(columns)) * int64_t{sizeof(float)};
}

WordRows WordsOf(const PanelKernels& kernels, const QuantisedRows& rows) {
  WordRows words{.words = static_cast<uint32_t*>(rows.data),
                 .stride = QuantisedStride(kernels, rows.columns)};
  words.scales = reinterpret_cast<float*>(words.words + rows.rows * words.stride);
  return words;
}

void QuantiseRow(const PanelKernels& kernels, const float* x, int64_t columns, bool ue8m0,
                 uint32_t* words, float* scales) {
  float quantized[kScaleColumns];
  for (int64_t begin = 0; begin < columns; begin += kScaleColumns, ++scales) {
    const int64_t count = std::min(kScaleColumns, columns - begin);
    const int64_t num_words = WordsFor(kernels, count);
    *scales = ScaleOf(kernels.amax(x + begin, count), ue8m0);
    kernels.quantize(x + begin, count, *scales, quantized);
    kernels.to_words(quantized, count, words, num_words);
    words += num_words;
  }
}

}  // namespace switchyard::kernels::cpu
