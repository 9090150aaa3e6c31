// Turns checkpoint weights into tiles.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/status.h"
#include "kernels/cuda/choose/code_tile.h"
#include "kernels/cuda/linear.h"
#include "kernels/cuda/linear_matrix.h"
#include "kernels/op_check.h"
#include "kernels/tensor_element.h"

namespace switchyard::kernels::cuda {
namespace {

constexpr int64_t kAlignment = 256;         // of a part of a weight's memory
constexpr int kGateUpRows = kTileRows / 2;  // outputs of a gate-up tile
constexpr int kLineBytes = 128;             // of a tile's row

// Every e4m3 code as bf16, exactly.
const std::array<Bf16, 256>& WideCodes() {
  static const std::array<Bf16, 256> codes = [] {
    std::array<Bf16, 256> wide{};
    for (size_t i = 0; i < wide.size(); ++i) wide[i] = ToBf16(ToFloat(static_cast<F8E4M3>(i)));
    return wide;
  }();
  return codes;
}

// bf16 plane `plane` of a value: the planes' sum is the value, as far as their number goes.
Bf16 PlaneOf(float value, int plane) {
  Bf16 part = ToBf16(value);
  for (; plane > 0; --plane) {
    // What is left of an infinity or NaN is nothing.
    value = std::isfinite(ToFloat(part)) ? value - ToFloat(part) : 0.0f;
    part = ToBf16(value);
  }
  return part;
}

// One source row, or none.
struct SourceRow {
  const LinearSource* source = nullptr;
  int64_t row = 0;
  bool up = false;

  // Of the whole tensor's scales.
  int64_t scale_row() const { return (row + source->row_offset) / source->block_rows; }
  int64_t scale_column(int64_t column) const {
    return (column + source->col_offset) / source->block_cols;
  }
  float ScaleAt(int64_t column) const {
    return source->scales.row<float>(scale_row())[scale_column(column)];
  }
  int ZeroAt(int64_t column) const {
    constexpr int kMiddle = 8;
    if (source->zeros.empty()) return kMiddle;
    return source->zeros.row<int8_t>(scale_row())[scale_column(column)];
  }
  const uint8_t* codes() const { return source->weight.row<uint8_t>(row); }

  // What is multiplied, but for the scales of FP8.
  float ValueAt(int64_t column) const {
    switch (source->weight.dtype) {
      case DType::kU4:
        return static_cast<float>(codes()[column] - ZeroAt(column)) * ScaleAt(column);
      case DType::kF4E2M1:
        return ToFloat(static_cast<F4E2M1>(codes()[column])) * ScaleAt(column);
      default:
        return ElementAsFloat(source->weight, row, column);
    }
  }
};

// A row's part of a tile of codes.
void PackCodes(const SourceRow& from, const KTile& tile, int row, std::byte* to) {
  const uint8_t* const codes = from.codes() + tile.column;
  auto* const words = reinterpret_cast<uint32_t*>(to);
  for (int step = 0; step < tile.columns / kStepColumns; ++step) {
    const uint8_t* const here = codes + step * kStepColumns;
    for (int quad = 0; quad < 4; ++quad) {
      const uint8_t* const c = here + 2 * quad;
      words[CodeWord(row, step, quad)] |= PlaceCodes(row, c[0], c[1], c[8], c[9]);
    }
  }
}

// Behind the codes; what no group fills stands for zeros.
void PackScales(const KLayout& layout, const SourceRow& from, const KTile& tile, int row,
                std::byte* to) {
  const int group_columns = TileColumns(layout.form) / layout.groups;
  for (int group = 0; group < tile.columns / group_columns; ++group) {
    const int64_t column = tile.column + group * group_columns;
    const float scale = from.ScaleAt(column);
    if (layout.form == GemmForm::kInt4) {
      auto* const words = reinterpret_cast<uint32_t*>(to + kCodeBytes);
      words[Int4ScalePlace(row, group)] = ScaleWord(scale, from.ZeroAt(column));
    } else {
      to[kCodeBytes + Mxfp4ScalePlace(row, group)] = static_cast<std::byte>(ScaleExponent(scale));
    }
  }
}

// Fills tiles and scales of one weight from one source, or from gate and up.
class Packer {
 public:
  Packer(const KLayout& layout, const LinearSource& source, const LinearSource* up)
      : layout_(layout), source_(source), up_(up) {
    const int64_t outputs = up == nullptr ? kTileRows : kGateUpRows;
    row_tiles_ = (source.weight.dims[0] + outputs - 1) / outputs;
  }

  int64_t num_outputs() const { return source_.weight.dims[0]; }
  bool gate_up() const { return up_ != nullptr; }
  const Gating& gating() const { return source_.gating; }
  int64_t row_tiles() const { return row_tiles_; }

  void PackRowTile(int64_t row_tile, std::byte* to) const {
    if (IsCoded(layout_.form)) {
      PackCodeTiles(row_tile, to);
    } else {
      PackLines(row_tile, to);
    }
  }

  // Rows of a tile share few scales: scale block rows are tall. The places of all rows' scales
  // among their tile's, and the most scales that a tile has.
  std::vector<uint8_t> ScaleSlots() {
    std::vector<uint8_t> slots(static_cast<size_t>(row_tiles_ * kTileRows));
    slot_rows_.resize(static_cast<size_t>(row_tiles_));
    for (int64_t i = 0; i < row_tiles_ * kTileRows; ++i) {
      const SourceRow row = RowOf(i / kTileRows, static_cast<int>(i % kTileRows));
      if (row.source == nullptr) continue;
      std::vector<SourceRow>& known = slot_rows_[static_cast<size_t>(i / kTileRows)];
      const auto place = std::find_if(known.begin(), known.end(), [&](const SourceRow& other) {
        return other.up == row.up && other.scale_row() == row.scale_row();
      });
      slots[static_cast<size_t>(i)] = static_cast<uint8_t>(place - known.begin());
      if (place == known.end()) known.push_back(row);
      num_slots_ = std::max(num_slots_, std::ssize(known));
    }
    return slots;
  }
  int64_t num_slots() const { return num_slots_; }
  int64_t NumScales() const {
    const int64_t step = TilesPerScale(layout_.form);
    return row_tiles_ * ((layout_.num_tiles() + step - 1) / step) * num_slots_;
  }

  // After ScaleSlots: [row_tiles, tiles / TilesPerScale, num_slots].
  std::vector<float> Scales() const {
    const int64_t step = TilesPerScale(layout_.form);
    std::vector<float> scales;
    for (int64_t row_tile = 0; row_tile < row_tiles_; ++row_tile) {
      const std::vector<SourceRow>& rows = slot_rows_[static_cast<size_t>(row_tile)];
      for (int64_t tile = 0; tile < layout_.num_tiles(); tile += step) {
        for (int64_t slot = 0; slot < num_slots_; ++slot) {
          const bool used = slot < std::ssize(rows);
          const int64_t column = layout_.tiles[static_cast<size_t>(tile)].column;
          scales.push_back(used ? rows[static_cast<size_t>(slot)].ScaleAt(column) : 0.0f);
        }
      }
    }
    return scales;
  }

 private:
  // Row by row: a source is read as it lies in memory.
  void PackCodeTiles(int64_t row_tile, std::byte* to) const {
    memset(to, 0, static_cast<size_t>(layout_.row_tile_bytes()));
    for (int row = 0; row < kTileRows; ++row) {
      const SourceRow from = RowOf(row_tile, row);
      if (from.source == nullptr) continue;
      std::byte* tile_to = to;
      for (const KTile& tile : layout_.tiles) {
        PackCodes(from, tile, row, tile_to);
        PackScales(layout_, from, tile, row, tile_to);
        tile_to += layout_.tile_bytes();
      }
    }
  }

  void PackLines(int64_t row_tile, std::byte* to) const {
    alignas(16) std::array<std::byte, kLineBytes> line{};
    for (int row = 0; row < kTileRows; ++row) {
      const SourceRow from = RowOf(row_tile, row);
      if (from.source == nullptr) line.fill(std::byte{0});
      std::byte* tile_to = to;
      for (const KTile& tile : layout_.tiles) {
        for (int plane = 0; plane < layout_.planes; ++plane, tile_to += kTileBytes) {
          if (tile.columns < TileColumns(layout_.form)) line.fill(std::byte{0});
          if (from.source != nullptr) ReadLine(from, tile, plane, line.data());
          for (int chunk = 0; chunk < kLineBytes / 16; ++chunk) {
            memcpy(tile_to + SwizzledChunk(row, chunk), line.data() + chunk * 16, 16);
          }
        }
      }
    }
  }

  SourceRow RowOf(int64_t row_tile, int row) const {
    SourceRow from{.source = &source_, .row = row_tile * kTileRows + row};
    if (up_ != nullptr) {
      // Gate and up alternate by 8 rows: one thread holds both of an output.
      from.up = row / kAtomRows % 2 == 1;
      from.source = from.up ? up_ : &source_;
      from.row = row_tile * kGateUpRows + row / (2 * kAtomRows) * kAtomRows + row % kAtomRows;
    }
    if (from.row >= source_.weight.dims[0]) from.source = nullptr;
    return from;
  }

  void ReadLine(const SourceRow& from, const KTile& tile, int plane, std::byte* line) const {
    const TensorView& weight = from.source->weight;
    const auto count = static_cast<size_t>(tile.columns);
    auto* const words = reinterpret_cast<Bf16*>(line);
    if (layout_.form == GemmForm::kE4m3) {
      memcpy(line, weight.row<uint8_t>(from.row) + tile.column, count);
    } else if (weight.dtype == DType::kF8E4M3) {
      const uint8_t* const codes = weight.row<uint8_t>(from.row) + tile.column;
      const std::array<Bf16, 256>& wide = WideCodes();
      for (size_t i = 0; i < count; ++i) words[i] = wide[codes[i]];
    } else if (weight.dtype == DType::kBf16) {
      memcpy(line, weight.row<Bf16>(from.row) + tile.column, count * sizeof(Bf16));
    } else {
      for (size_t i = 0; i < count; ++i) {
        words[i] = PlaneOf(from.ValueAt(tile.column + static_cast<int64_t>(i)), plane);
      }
    }
  }

  const KLayout& layout_;
  const LinearSource& source_;
  const LinearSource* const up_;
  int64_t row_tiles_ = 0;
  int64_t num_slots_ = 0;
  std::vector<std::vector<SourceRow>> slot_rows_;  // [row_tiles], one row for each slot
};

// Where the parts of a weight lie in its memory.
struct Places {
  int64_t tiles = 0, scales = 0, slots = 0, bias = 0, part_begin = 0, k_tiles = 0;
  int64_t num_bytes = 0;
};

// After Packer::ScaleSlots, where there are scales.
Places PlacesOf(const KLayout& layout, const Packer& packer, int64_t num_biases) {
  Places places;
  const auto place = [&](int64_t count, size_t element_bytes) {
    const int64_t at = places.num_bytes;
    places.num_bytes +=
        (count * static_cast<int64_t>(element_bytes) + kAlignment - 1) / kAlignment * kAlignment;
    return at;
  };
  places.tiles = place(packer.row_tiles(), static_cast<size_t>(layout.row_tile_bytes()));
  places.scales = place(layout.scaled() ? packer.NumScales() : 0, sizeof(float));
  places.slots = place(layout.scaled() ? packer.row_tiles() * kTileRows : 0, 1);
  places.bias = place(num_biases, sizeof(float));
  places.part_begin = place(std::ssize(layout.part_begin), sizeof(int32_t));
  places.k_tiles = place(layout.num_tiles(), sizeof(KTile));
  return places;
}

std::unique_ptr<PackedLinear> MakeMatrix(KLayout layout, const Packer& packer, const Places& places,
                                         bool has_bias, Buffer buffer) {
  SY_CHECK_LE(layout.num_parts(), std::numeric_limits<int16_t>::max());
  auto* const base = static_cast<std::byte*>(buffer.data());
  const GemmWeight weight{
      .tiles = reinterpret_cast<uint8_t*>(base + places.tiles),
      .k_tiles_of_x = reinterpret_cast<KTile*>(base + places.k_tiles),
      .part_begin = reinterpret_cast<int32_t*>(base + places.part_begin),
      .scales = layout.scaled() ? reinterpret_cast<float*>(base + places.scales) : nullptr,
      .scale_slots = reinterpret_cast<uint8_t*>(base + places.slots),
      .bias = has_bias ? reinterpret_cast<float*>(base + places.bias) : nullptr,
      .n = static_cast<int32_t>(packer.num_outputs()),
      .k = static_cast<int32_t>(layout.columns),
      .row_tiles = static_cast<int32_t>(packer.row_tiles()),
      .k_tiles = static_cast<int32_t>(layout.num_tiles()),
      .planes = static_cast<int16_t>(layout.planes),
      .parts = static_cast<int16_t>(layout.num_parts()),
      .slots = static_cast<int16_t>(packer.num_slots()),
      .groups = static_cast<int16_t>(layout.groups),
      .gate_up = packer.gate_up(),
      .gate_function = packer.gating().function,
      .gate_limit = packer.gating().limit};
  return std::make_unique<LinearMatrix>(std::move(layout), weight, std::move(buffer));
}

// Tiles go to `to` (device) piece by piece, of which one is packed while another is on its way.
void SendTiles(UploadLane& uploads, const Packer& packer, int64_t row_tile_bytes, std::byte* to) {
  const int64_t step = std::max<int64_t>(1, UploadLane::kPieceBytes / row_tile_bytes);
  for (int64_t begin = 0; begin < packer.row_tiles(); begin += step) {
    const int64_t count = std::min(step, packer.row_tiles() - begin);
    UploadLane::Piece* const piece = uploads.Take(count * row_tile_bytes);
    for (int64_t i = 0; i < count; ++i) {
      packer.PackRowTile(begin + i, piece->host + i * row_tile_bytes);
    }
    uploads.Send(piece, to + begin * row_tile_bytes, count * row_tile_bytes);
  }
}

std::unique_ptr<PackedLinear> PackMatrix(CudaContext& cuda, const LinearSource& source,
                                         const LinearSource* up) {
  KLayout layout = MakeKLayout(source);
  Packer packer(layout, source, up);
  std::vector<uint8_t> slots;
  std::vector<float> scales;
  if (layout.scaled()) {
    slots = packer.ScaleSlots();
    scales = packer.Scales();
  }
  std::vector<float> bias;
  for (const LinearSource* half : {&source, up}) {
    if (half == nullptr || half->bias.empty()) continue;
    const float* const values = half->bias.row<const float>(0);
    bias.insert(bias.end(), values, values + source.weight.dims[0]);
  }
  const Places places = PlacesOf(layout, packer, std::ssize(bias));
  Buffer buffer = cuda.device.Allocate(places.num_bytes);
  auto* const base = static_cast<std::byte*>(buffer.data());
  const auto copy = [&](int64_t at, auto values) {
    if (values.empty()) return;
    cuda.device.CopyToDevice(base + at, values.data(), static_cast<int64_t>(values.size_bytes()));
  };
  copy(places.scales, std::span<const float>(scales));
  copy(places.slots, std::span<const uint8_t>(slots));
  copy(places.bias, std::span<const float>(bias));
  copy(places.part_begin, std::span<const int32_t>(layout.part_begin));
  copy(places.k_tiles, std::span<const KTile>(layout.tiles));
  SendTiles(cuda.uploads, packer, layout.row_tile_bytes(), base + places.tiles);
  return MakeMatrix(std::move(layout), packer, places, !bias.empty(), std::move(buffer));
}

}  // namespace

std::unique_ptr<PackedLinear> Pack(CudaContext& cuda, const LinearSource& source) {
  return PackMatrix(cuda, source, nullptr);
}

std::unique_ptr<PackedLinear> PackGateUp(CudaContext& cuda, const LinearSource& gate,
                                         const LinearSource& up) {
  return PackMatrix(cuda, gate, &up);
}

absl::StatusOr<std::unique_ptr<PackedLinear>> Restore(const PackedForm& form, Buffer memory) {
  const LinearSource& source = form.source;
  KLayout layout = MakeKLayout(source);
  Packer packer(layout, source, form.gate_up ? &source : nullptr);
  if (layout.scaled()) packer.ScaleSlots();
  const int64_t num_biases = form.bias ? source.weight.rows() * (form.gate_up ? 2 : 1) : 0;
  const Places places = PlacesOf(layout, packer, num_biases);
  SY_RETURN_IF_ERROR(CheckRestored(source.name, places.num_bytes, memory.num_bytes()));
  return MakeMatrix(std::move(layout), packer, places, form.bias, std::move(memory));
}

}  // namespace switchyard::kernels::cuda
