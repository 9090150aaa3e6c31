// Turns checkpoint weights into panels.
#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <utility>

#include "base/check.h"
#include "base/status.h"
#include "base/units.h"
#include "kernels/cpu/int_pack.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/panel_matrix.h"
#include "kernels/cpu/source_rows.h"
#include "kernels/op_check.h"

namespace switchyard::kernels::cpu {
namespace {

// Columns that are laid out at once: a multiple of every step's, and with all rows of a panel they
// fit the nearest cache.
constexpr int64_t kTileColumns = 256;
constexpr int64_t kTileRowBytes = kTileColumns * int64_t{sizeof(float)};  // the widest element's

// Vectors of 16 bytes.
template <typename T>
struct VectorOf;
template <>
struct VectorOf<uint8_t> {
  typedef uint8_t Type __attribute__((vector_size(16)));
};
template <>
struct VectorOf<uint16_t> {
  typedef uint16_t Type __attribute__((vector_size(16)));
};
template <>
struct VectorOf<uint32_t> {
  typedef uint32_t Type __attribute__((vector_size(16)));
};

// Of two vectors, element by element: their first halves (kHalf 0), or their second ones.
template <int kHalf, typename T, size_t... kIndex>
typename VectorOf<T>::Type Interleaved(const typename VectorOf<T>::Type& a,
                                       const typename VectorOf<T>::Type& b,
                                       std::index_sequence<kIndex...>) {
  constexpr int kCount = sizeof...(kIndex);
  return __builtin_shufflevector(
      a, b, (kHalf * kCount / 2 + static_cast<int>(kIndex) / 2 + (kIndex % 2 ? kCount : 0))...);
}

// Writes a tile of kPanelRows rows, kTileRowBytes apart, `count` columns of it, column by column;
// `to` points to the panel's place in the first. With rows and columns as bits of an element's
// place, interleaving the upper half of the rows with the lower one moves one bit of the row behind
// those of the column: four times, and the tile is turned.
template <typename T>
void LayOutColumns(const std::byte* tile, int64_t count, int64_t stride, std::byte* to) {
  using V = typename VectorOf<T>::Type;
  constexpr int kColumns = 16 / sizeof(T);
  constexpr auto kAll = std::make_index_sequence<kColumns>();
  for (int64_t i = 0; i < count; i += kColumns) {
    V rows[kPanelRows], turned[kPanelRows];
    for (int lane = 0; lane < kPanelRows; ++lane) {
      memcpy(&rows[lane], tile + lane * kTileRowBytes + i * int64_t{sizeof(T)}, sizeof(V));
    }
    for (int round = 0; round < 4; ++round) {
      for (int lane = 0; lane < kPanelRows / 2; ++lane) {
        turned[2 * lane] = Interleaved<0, T>(rows[lane], rows[lane + kPanelRows / 2], kAll);
        turned[2 * lane + 1] = Interleaved<1, T>(rows[lane], rows[lane + kPanelRows / 2], kAll);
      }
      std::copy(std::begin(turned), std::end(turned), std::begin(rows));
    }
    const int64_t columns = std::min<int64_t>(kColumns, count - i);
    for (int64_t column = 0; column < columns; ++column, to += stride) {
      memcpy(to, &rows[static_cast<size_t>(column) * sizeof(T)], kPanelRows * sizeof(T));
    }
  }
}

// Steps of four columns in the order `quad`.
void LayOutQuads(const std::byte* tile, int64_t count, int64_t stride, std::byte* to) {
  for (int64_t i = 0; i < count; i += 4, to += stride) {
    for (int lane = 0; lane < kPanelRows; ++lane) {
      const std::byte* const from = tile + lane * kTileRowBytes + i;
      std::byte* const place = to + lane / 4 * 16 + lane % 4 * 2;
      memcpy(place, from, 2);
      memcpy(place + 8, from + 2, 2);
    }
  }
}

// Fills groups of one matrix from one source, or from the gate and the up source of a gate-up
// matrix; the sources have its rows from `row_begin` on.
class Packer {
 public:
  Packer(const PanelMatrix& matrix, const LinearSource& source, const LinearSource* up,
         int64_t row_begin)
      : matrix_(matrix),
        layout_(matrix.layout()),
        source_(source),
        up_(up),
        row_begin_(row_begin) {}

  void PackGroup(int64_t group) const {
    const int panels = matrix_.PanelsOf(group);
    for (int panel = 0; panel < panels; ++panel) {
      const int64_t index = group * kGroupPanels + panel;
      const bool second = up_ != nullptr && index % 2 == 1;
      const LinearSource& source = second ? *up_ : source_;
      PackPanel(source, (up_ != nullptr ? index / 2 : index) * kPanelRows - row_begin_,
                {.group = matrix_.DataOf(group), .panels = panels, .panel = panel});
    }
  }

 private:
  void PackPanel(const LinearSource& source, int64_t first_row, const PanelPlace& place) const {
    if (layout_.ints) return PackIntPanel(layout_, source, first_row, place);
    const auto rows =
        static_cast<int>(std::min<int64_t>(kPanelRows, source.weight.rows() - first_row));
    // What no row or column of the source fills stays zero.
    alignas(64) std::array<std::byte, kPanelRows * kTileRowBytes> tile{};
    const int64_t step_bytes = kPanelRows * layout_.order.step_columns * layout_.element_bytes;
    for (const Segment& segment : layout_.segments) {
      std::byte* data = place.group + segment.byte_begin * place.panels;
      if (layout_.scaled()) {
        auto* const scales = reinterpret_cast<float*>(data) + place.panel * kPanelRows;
        for (int lane = 0; lane < rows; ++lane) {
          scales[lane] = ScaleAt(source, first_row + lane, segment.column_begin);
        }
        data += layout_.ScaleBytes() * place.panels;
      }
      data += place.panel * step_bytes;
      for (int64_t begin = 0; begin < segment.columns; begin += kTileColumns) {
        const int64_t count = std::min(kTileColumns, segment.columns - begin);
        ReadTile(source, first_row, rows, segment.column_begin + begin, count, tile.data());
        WriteTile(tile.data(), count, step_bytes * place.panels,
                  data + begin / layout_.order.step_columns * step_bytes * place.panels);
      }
    }
  }

  void ReadTile(const LinearSource& source, int64_t first_row, int rows, int64_t begin,
                int64_t count, std::byte* tile) const {
    const int64_t last_step = RoundUp(count, int64_t{layout_.order.step_columns});
    for (int lane = 0; lane < rows; ++lane) {
      std::byte* const to = tile + lane * kTileRowBytes;
      ReadRow(source, layout_.format, first_row + lane, begin, count, to);
      memset(to + count * layout_.element_bytes, 0,
             static_cast<size_t>((last_step - count) * layout_.element_bytes));
    }
  }

  // A step's columns of one row are written as one element.
  void WriteTile(const std::byte* tile, int64_t count, int64_t stride, std::byte* to) const {
    const PanelOrder& order = layout_.order;
    if (order.quad) {
      SY_CHECK(order.step_columns == 4 && layout_.format == PanelFormat::kF8);
      return LayOutQuads(tile, count, stride, to);
    }
    const int64_t steps = CeilDiv(count, int64_t{order.step_columns});
    switch (order.step_columns * layout_.element_bytes) {
      case 1:
        return LayOutColumns<uint8_t>(tile, steps, stride, to);
      case 2:
        return LayOutColumns<uint16_t>(tile, steps, stride, to);
      default:
        SY_CHECK_EQ(order.step_columns * layout_.element_bytes, 4);
        return LayOutColumns<uint32_t>(tile, steps, stride, to);
    }
  }

  const PanelMatrix& matrix_;
  const PanelLayout& layout_;
  const LinearSource& source_;
  const LinearSource* const up_;
  const int64_t row_begin_;
};

PanelMatrix::Shape ShapeOf(const LinearSource& source, int64_t n, bool gate_up, bool bias) {
  return {.n = n,
          .k = source.weight.dims[1],
          .panels = CeilDiv(n, kPanelRows) * (gate_up ? 2 : 1),
          .gate_up = gate_up,
          .gating = source.gating,
          .bias = bias};
}

std::unique_ptr<PackedLinear> PackMatrix(const CpuContext& cpu, Device& device,
                                         const LinearSource& source, const LinearSource* up) {
  std::unique_ptr<PackedLinear> packed = StartPack(cpu, device, source, up, source.weight.dims[0]);
  PackRows(cpu, source, up, 0, packed.get());
  return packed;
}

}  // namespace

std::unique_ptr<PackedLinear> StartPack(const CpuContext& cpu, Device& device,
                                        const LinearSource& rows, const LinearSource* up,
                                        int64_t n) {
  const PanelKernels& kernels = KernelsFor(cpu.isa);
  PanelLayout layout = MakeLayout(kernels, rows);
  const PanelMatrix::Shape shape = ShapeOf(rows, n, up != nullptr, !rows.bias.empty());
  Buffer memory = device.Allocate(PanelMatrix::NumBytes(layout, shape));
  return std::make_unique<PanelMatrix>(kernels, std::move(layout), shape, std::move(memory));
}

absl::StatusOr<std::unique_ptr<PackedLinear>> Restore(const CpuContext& cpu, const PackedForm& form,
                                                      Buffer memory) {
  const PanelKernels& kernels = KernelsFor(cpu.isa);
  PanelLayout layout = MakeLayout(kernels, form.source);
  const PanelMatrix::Shape shape =
      ShapeOf(form.source, form.source.weight.rows(), form.gate_up, form.bias);
  SY_RETURN_IF_ERROR(
      CheckRestored(form.source.name, PanelMatrix::NumBytes(layout, shape), memory.num_bytes()));
  return std::make_unique<PanelMatrix>(kernels, std::move(layout), shape, std::move(memory));
}

void PackRows(const CpuContext& cpu, const LinearSource& rows, const LinearSource* up,
              int64_t row_begin, PackedLinear* packed) {
  auto& matrix = static_cast<PanelMatrix&>(*packed);
  const int64_t count = rows.weight.dims[0];
  const auto put_bias = [&](const TensorView& bias, int64_t begin) {
    if (!bias.empty()) std::copy_n(bias.row<float>(0), count, matrix.bias() + begin);
  };
  put_bias(rows.bias, row_begin);
  if (up != nullptr) put_bias(up->bias, matrix.n() + row_begin);
  const int64_t group_rows = kPackRowStep / (up != nullptr ? 2 : 1);
  const int64_t first_group = row_begin / group_rows;
  const Packer packer(matrix, rows, up, row_begin);
  cpu.pool.ForEach(CeilDiv(count, group_rows), 1,
                   [&](int64_t group) { packer.PackGroup(first_group + group); });
}

std::unique_ptr<PackedLinear> Pack(const CpuContext& cpu, Device& device,
                                   const LinearSource& source) {
  return PackMatrix(cpu, device, source, nullptr);
}

std::unique_ptr<PackedLinear> PackGateUp(const CpuContext& cpu, Device& device,
                                         const LinearSource& gate, const LinearSource& up) {
  return PackMatrix(cpu, device, gate, &up);
}

}  // namespace switchyard::kernels::cpu
