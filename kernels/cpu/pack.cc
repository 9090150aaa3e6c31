// Turns checkpoint weights into panels.
#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/status.h"
#include "base/units.h"
#include "kernels/cpu/int_pack.h"
#include "kernels/cpu/linear.h"
#include "kernels/cpu/panel_matrix.h"
#include "kernels/cpu/source_rows.h"
#include "kernels/cpu/turn_rows.h"
#include "kernels/op_check.h"

namespace switchyard::kernels::cpu {
namespace {

// Columns that are turned at once: a multiple of every step's.
constexpr int64_t kTileColumns = 256;
constexpr int64_t kTileRowBytes = kTileColumns * int64_t{sizeof(float)};  // the widest element's

// Whether rows of the source are a panel's as they are.
bool IsKept(const LinearSource& source, PanelFormat format) {
  switch (format) {
    case PanelFormat::kF8:
      return true;
    case PanelFormat::kBf16:
      return source.weight.dtype == DType::kBf16;
    case PanelFormat::kF32:
      return source.weight.dtype == DType::kF32;
  }
  return false;
}

// The rows of a source that one panel holds.
struct PanelRowsOf {
  const LinearSource* source = nullptr;
  int64_t first_row = 0;
  int rows = 0;  // 1 to kPanelRows
};

// Fills groups of one matrix from one source, or from the gate and the up source of a gate-up
// matrix; the sources have its rows from `row_begin` on.
class Packer {
 public:
  Packer(const TurnKernels& turn, const PanelMatrix& matrix, const LinearSource& source,
         const LinearSource* up, int64_t row_begin)
      : matrix_(matrix),
        layout_(matrix.layout()),
        turn_(TurnOf(turn, layout_)),
        source_(source),
        up_(up),
        row_begin_(row_begin) {}

  void PackGroup(int64_t group) const {
    const int panels = matrix_.PanelsOf(group);
    std::array<PanelRowsOf, kGroupPanels> rows;
    for (int panel = 0; panel < panels; ++panel) {
      rows[static_cast<size_t>(panel)] = RowsOf(group * kGroupPanels + panel);
    }
    std::byte* const to = matrix_.DataOf(group);
    if (!layout_.ints) return PackFloats({rows.data(), static_cast<size_t>(panels)}, to);
    for (int panel = 0; panel < panels; ++panel) {
      const PanelRowsOf& from = rows[static_cast<size_t>(panel)];
      PackIntPanel(layout_, *from.source, from.first_row,
                   {.group = to, .panels = panels, .panel = panel});
    }
  }

 private:
  // Memory for rows of a tile that are not turned where they are. What no row of a source fills
  // stays zero.
  struct Scratch {
    alignas(64) std::array<std::byte, kGroupPanels * kPanelRows * kTileRowBytes> bytes{};
  };

  static TurnKernels::Turn TurnOf(const TurnKernels& kernels, const PanelLayout& layout) {
    if (layout.ints) return nullptr;
    const PanelOrder& order = layout.order;
    if (order.quad) {
      SY_CHECK(order.step_columns == 4 && layout.format == PanelFormat::kF8);
      return kernels.quads;
    }
    switch (order.step_columns * layout.element_bytes) {
      case 1:
        return kernels.bytes1;
      case 2:
        return kernels.bytes2;
      default:
        SY_CHECK_EQ(order.step_columns * layout.element_bytes, 4);
        return kernels.bytes4;
    }
  }

  PanelRowsOf RowsOf(int64_t panel) const {
    const bool second = up_ != nullptr && panel % 2 == 1;
    PanelRowsOf rows{.source = second ? up_ : &source_};
    rows.first_row = (up_ != nullptr ? panel / 2 : panel) * kPanelRows - row_begin_;
    rows.rows =
        static_cast<int>(std::min<int64_t>(kPanelRows, source_.weight.rows() - rows.first_row));
    return rows;
  }

  void PackFloats(std::span<const PanelRowsOf> panels, std::byte* group) const {
    const auto width = std::ssize(panels);
    const int64_t stride = kPanelRows * layout_.order.step_columns * layout_.element_bytes * width;
    Scratch scratch;
    std::array<PanelRowPointers, kGroupPanels> tile;
    for (const Segment& segment : layout_.segments) {
      std::byte* data = group + segment.byte_begin * width;
      if (layout_.scaled()) {
        PutScales(panels, segment.column_begin, reinterpret_cast<float*>(data));
        data += layout_.ScaleBytes() * width;
      }
      for (int64_t begin = 0; begin < segment.columns; begin += kTileColumns) {
        const int64_t count = std::min(kTileColumns, segment.columns - begin);
        for (size_t panel = 0; panel < panels.size(); ++panel) {
          ReadTile(panels[panel], segment.column_begin + begin, count,
                   scratch.bytes.data() + static_cast<int64_t>(panel) * kPanelRows * kTileRowBytes,
                   tile[panel]);
        }
        turn_({.rows = tile.data(),
               .panels = static_cast<int>(width),
               .steps = CeilDiv(count, int64_t{layout_.order.step_columns}),
               .stride = stride,
               .to = data + begin / layout_.order.step_columns * stride});
      }
    }
  }

  static void PutScales(std::span<const PanelRowsOf> panels, int64_t column, float* to) {
    for (const PanelRowsOf& from : panels) {
      for (int lane = 0; lane < from.rows; ++lane) {
        to[lane] = ScaleAt(*from.source, from.first_row + lane, column);
      }
      to += kPanelRows;
    }
  }

  // Where columns [begin, begin + count) of each row lie: in the source, if they are a panel's as
  // they are, and whole ones are turned; else in `scratch`, with zeros behind them.
  void ReadTile(const PanelRowsOf& from, int64_t begin, int64_t count, std::byte* scratch,
                PanelRowPointers& tile) const {
    const int64_t bytes = count * layout_.element_bytes;
    const bool in_place = bytes % kTurnBytes == 0 && IsKept(*from.source, layout_.format);
    for (int lane = 0; lane < kPanelRows; ++lane, scratch += kTileRowBytes) {
      tile[static_cast<size_t>(lane)] = scratch;
      if (lane >= from.rows) continue;
      if (in_place) {
        tile[static_cast<size_t>(lane)] =
            from.source->weight.row<std::byte>(0) +
            ((from.first_row + lane) * from.source->weight.row_stride + begin) *
                layout_.element_bytes;
        continue;
      }
      ReadRow(*from.source, layout_.format, from.first_row + lane, begin, count, scratch);
      memset(scratch + bytes, 0, static_cast<size_t>(RoundUp(bytes, kTurnBytes) - bytes));
    }
  }

  const PanelMatrix& matrix_;
  const PanelLayout& layout_;
  const TurnKernels::Turn turn_;
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
  const Packer packer(TurnKernelsFor(cpu.isa), matrix, rows, up, row_begin);
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
