// A packed weight of the CPU backend: panels of 16 rows, cut along K where sums are cut.
//
// Memory: groups of kGroupPanels panels, the last one perhaps narrower, one after the other; a
// group is one linear stream that holds, segment by segment of K, the segment's scales (FP8 only:
// f32 [panels, 16]) and then its steps, each with all panels of the group side by side. Panels of
// whole numbers hold groups of columns instead (int_kernels.h). Behind all groups lies the bias,
// where there is one: f32 [n], of a gate-up matrix [2, n].
#ifndef SWITCHYARD_KERNELS_CPU_PANEL_MATRIX_H_
#define SWITCHYARD_KERNELS_CPU_PANEL_MATRIX_H_

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "kernels/args/linear.h"
#include "kernels/cpu/cpu_context.h"
#include "kernels/cpu/int_pack.h"
#include "kernels/cpu/panel_kernels.h"
#include "kernels/device.h"

namespace switchyard::kernels::cpu {

// Columns that share an activation scale and an FP8 weight scale, counted from column 0 of the
// whole tensor.
inline constexpr int64_t kScaleColumns = 128;

// The kernels of an instruction set.
const PanelKernels& KernelsFor(Isa isa);

// A run of columns that is summed by itself: a virtual shard, or for FP8 the part of a scale block
// in a shard.
struct Segment {
  int64_t column_begin = 0;
  int64_t columns = 0;
  int64_t word_begin = 0;  // in a row of activation words
  int64_t words = 0;       // columns, padded with zeros to whole steps
  int64_t byte_begin = 0;  // in one panel's share of its group
  int64_t scale_group =
      0;  // 128-column group, counted from the one that holds the slice's column 0
  bool begins_shard = false;
};

// How one weight is laid out; the same for every slice of rows, and for a slice of columns up to
// its borders.
struct PanelLayout {
  // Whole numbers; then `format`, `words`, `order` and `element_bytes` say nothing.
  std::optional<IntLayout> ints;
  PanelFormat format = PanelFormat::kBf16;
  WordForm words = WordForm::kF32;
  PanelOrder order;
  bool quantize_x = false;
  int64_t col_offset = 0;
  int64_t k_shards = 1;
  std::vector<Segment> segments;
  int64_t row_words = 0;    // of one row of activations
  int64_t row_scales = 0;   // the same: floats that belong to its words, 0 unless x is quantised
  int64_t panel_bytes = 0;  // one panel's share of its group
  int64_t element_bytes = 0;

  bool scaled() const { return !ints && format == PanelFormat::kF8; }
  int64_t ScaleBytes() const { return scaled() ? kPanelRows * int64_t{sizeof(float)} : 0; }
};

PanelLayout MakeLayout(const PanelKernels& kernels, const LinearSource& source);
// See PackedLinear::takes_quantised.
bool TakesQuantised(const PanelLayout& layout);

class PanelMatrix final : public PackedLinear {
 public:
  struct Shape {
    int64_t n = 0;  // outputs; of a gate-up matrix, pairs of rows
    int64_t k = 0;
    int64_t panels = 0;
    bool gate_up = false;  // panels alternate: gate, up
    Gating gating;         // of a gate-up matrix
    bool bias = false;
  };
  // REQUIRES: memory of NumBytes(layout, shape).
  PanelMatrix(const PanelKernels& kernels, PanelLayout layout, const Shape& shape, Buffer memory)
      : PackedLinear(shape.n, shape.k, std::move(memory), TakesQuantised(layout)),
        kernels_(kernels),
        layout_(std::move(layout)),
        shape_(shape) {}

  static int64_t NumBytes(const PanelLayout& layout, const Shape& shape) {
    const int64_t biases = shape.bias ? shape.n * (shape.gate_up ? 2 : 1) : 0;
    return shape.panels * layout.panel_bytes + biases * int64_t{sizeof(float)};
  }

  const PanelKernels& kernels() const { return kernels_; }
  const PanelLayout& layout() const { return layout_; }
  const Shape& shape() const { return shape_; }
  // [n], of a gate-up matrix [2, n]: gate, up; or null.
  float* bias() const {
    if (!shape_.bias) return nullptr;
    return reinterpret_cast<float*>(static_cast<std::byte*>(memory().data()) +
                                    shape_.panels * layout_.panel_bytes);
  }

  int64_t num_groups() const { return (shape_.panels + kGroupPanels - 1) / kGroupPanels; }
  // Panels of a group.
  int PanelsOf(int64_t group) const {
    return group * kGroupPanels + kGroupPanels <= shape_.panels ? kGroupPanels : 1;
  }
  std::byte* DataOf(int64_t group) const {
    return static_cast<std::byte*>(memory().data()) + group * kGroupPanels * layout_.panel_bytes;
  }

 private:
  const PanelKernels& kernels_;
  const PanelLayout layout_;
  const Shape shape_;
};

}  // namespace switchyard::kernels::cpu

#endif  // SWITCHYARD_KERNELS_CPU_PANEL_MATRIX_H_
