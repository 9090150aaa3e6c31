// Turns checkpoint weights into panels.
#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/panel_matrix.h"
#include "kernels/tensor_element.h"

namespace switchyard::kernels::cpu {
namespace {

// The scale of a weight's element, both in the slice's coordinates.
float ScaleAt(const LinearSource& source, int64_t row, int64_t column) {
  return source.scales.row<float>(
      (row + source.row_offset) /
      source.block_rows)[(column + source.col_offset) / source.block_cols];
}

// Columns [begin, begin + count) of a row in the panel's element type, written to `out`.
void ReadRow(const LinearSource& source, PanelFormat format, int64_t row, int64_t begin,
             int64_t count, void* out) {
  const TensorView& weight = source.weight;
  const bool f8 = weight.dtype == DType::kF8E4M3;
  switch (format) {
    case PanelFormat::kF8:
      memcpy(out, weight.row<uint8_t>(row) + begin, static_cast<size_t>(count));
      return;
    case PanelFormat::kBf16:
      if (weight.dtype == DType::kBf16) {
        memcpy(out, weight.row<Bf16>(row) + begin, static_cast<size_t>(count) * sizeof(Bf16));
        return;
      }
      for (int64_t i = 0; i < count; ++i) {
        static_cast<Bf16*>(out)[i] = ToBf16(ElementAsFloat(weight, row, begin + i));
      }
      return;
    case PanelFormat::kF32:
      for (int64_t i = 0; i < count; ++i) {
        const float value = ElementAsFloat(weight, row, begin + i);
        static_cast<float*>(out)[i] = f8 ? value * ScaleAt(source, row, begin + i) : value;
      }
      return;
  }
}

// Spreads one row's elements over the steps of a panel; `steps` points to the panel's place in the
// first step.
template <typename T>
void Interleave(const PanelOrder& order, const T* row, int64_t count, int lane, int64_t step_stride,
                std::byte* steps) {
  T* out = reinterpret_cast<T*>(steps);
  const int64_t stride = step_stride / static_cast<int64_t>(sizeof(T));
  const int columns = order.step_columns;
  int64_t place[4];  // of a step's columns
  for (int j = 0; j < columns; ++j) {
    place[j] = order.quad ? lane / 4 * 16 + j / 2 * 8 + lane % 4 * 2 + j % 2 : lane * columns + j;
  }
  int64_t i = 0;
  for (; i + columns <= count; i += columns, out += stride) {
    for (int j = 0; j < columns; ++j) out[place[j]] = row[i + j];
  }
  for (int j = 0; i < count; ++i, ++j) out[place[j]] = row[i];
}

// Fills groups of one matrix from one source, or from the gate and the up source of a gate-up
// matrix.
class Packer {
 public:
  Packer(const PanelMatrix& matrix, const LinearSource& source, const LinearSource* up)
      : matrix_(matrix), layout_(matrix.layout()), source_(source), up_(up) {
    for (const Segment& segment : layout_.segments) longest_ = std::max(longest_, segment.columns);
  }

  void PackGroup(int64_t group) const {
    std::vector<float> row(static_cast<size_t>(longest_));  // of the widest element type
    const int panels = matrix_.PanelsOf(group);
    for (int panel = 0; panel < panels; ++panel) {
      const int64_t index = group * kGroupPanels + panel;
      const bool second = up_ != nullptr && index % 2 == 1;
      const LinearSource& source = second ? *up_ : source_;
      const int64_t first_row = (up_ != nullptr ? index / 2 : index) * kPanelRows;
      const int64_t rows = std::min<int64_t>(kPanelRows, source.weight.rows() - first_row);
      for (int lane = 0; lane < rows; ++lane) {
        PackRow(source, first_row + lane, lane, matrix_.DataOf(group), panels, panel, row.data());
      }
    }
  }

 private:
  void PackRow(const LinearSource& source, int64_t row_index, int lane, std::byte* group,
               int panels, int panel, float* row) const {
    const int64_t step_bytes = kPanelRows * layout_.order.step_columns * layout_.element_bytes;
    for (const Segment& segment : layout_.segments) {
      std::byte* data = group + segment.byte_begin * panels;
      if (layout_.scaled()) {
        reinterpret_cast<float*>(data)[panel * kPanelRows + lane] =
            ScaleAt(source, row_index, segment.column_begin);
        data += layout_.ScaleBytes() * panels;
      }
      ReadRow(source, layout_.format, row_index, segment.column_begin, segment.columns, row);
      data += panel * step_bytes;
      InterleaveRow(row, segment.columns, lane, step_bytes * panels, data);
    }
  }

  void InterleaveRow(const void* row, int64_t count, int lane, int64_t stride,
                     std::byte* to) const {
    const PanelOrder& order = layout_.order;
    switch (layout_.format) {
      case PanelFormat::kF8:
        return Interleave(order, static_cast<const uint8_t*>(row), count, lane, stride, to);
      case PanelFormat::kBf16:
        return Interleave(order, static_cast<const uint16_t*>(row), count, lane, stride, to);
      case PanelFormat::kF32:
        return Interleave(order, static_cast<const float*>(row), count, lane, stride, to);
    }
  }

  const PanelMatrix& matrix_;
  const PanelLayout& layout_;
  const LinearSource& source_;
  const LinearSource* const up_;
  int64_t longest_ = 0;
};

std::unique_ptr<PackedLinear> PackMatrix(const CpuContext& cpu, Device& device,
                                         const LinearSource& source, const LinearSource* up) {
  const PanelKernels& kernels = KernelsFor(cpu.isa);
  PanelLayout layout = MakeLayout(kernels, source);
  PanelMatrix::Shape shape{.n = source.weight.dims[0], .k = source.weight.dims[1]};
  shape.gate_up = up != nullptr;
  shape.panels = (shape.n + kPanelRows - 1) / kPanelRows * (shape.gate_up ? 2 : 1);
  std::vector<float> bias;
  if (!source.bias.empty()) {
    const float* values = source.bias.row<float>(0);
    bias.assign(values, values + shape.n);
  }
  Buffer memory = device.Allocate(shape.panels * layout.panel_bytes);
  auto matrix = std::make_unique<PanelMatrix>(kernels, std::move(layout), shape, std::move(memory),
                                              std::move(bias));
  const Packer packer(*matrix, source, up);
  cpu.pool.ForEach(matrix->num_groups(), 1, [&](int64_t group) { packer.PackGroup(group); });
  return matrix;
}

}  // namespace

std::unique_ptr<PackedLinear> Pack(const CpuContext& cpu, Device& device,
                                   const LinearSource& source) {
  return PackMatrix(cpu, device, source, nullptr);
}

std::unique_ptr<PackedLinear> PackGateUp(const CpuContext& cpu, Device& device,
                                         const LinearSource& gate, const LinearSource& up) {
  return PackMatrix(cpu, device, gate, &up);
}

}  // namespace switchyard::kernels::cpu
