#include "coordinator/core/plan/packed_linear.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/units.h"

namespace switchyard::core {
namespace {

constexpr int64_t kScaleColumns = 128;  // that share a scale as packed
constexpr int64_t kFloatBytes = 4;

bool IsFp8(const LinearPart& part) { return part.stored == v1::DATA_TYPE_F8_E4M3; }

// Calls visit(columns) for every run of columns that is summed by itself: a shard, or, cut at scale
// blocks, the part of a block in a shard.
template <typename Visit>
void ForEachRun(const LinearPart& part, bool at_scale_blocks, const Visit& visit) {
  const int64_t shard = part.cols / part.k_shards;
  for (int64_t begin = 0; begin < part.cols;) {
    int64_t end = (begin / shard + 1) * shard;
    if (at_scale_blocks) {
      const int64_t block = (part.col_begin + begin) / kScaleColumns;
      end = std::min(end, (block + 1) * kScaleColumns - part.col_begin);
    }
    visit(end - begin);
    begin = end;
  }
}

int64_t BiasBytes(const LinearPart& part) {
  return part.bias ? (part.gate_up ? 2 : 1) * part.rows * kFloatBytes : 0;
}

constexpr int64_t kPanelRows = 16;

// Whole numbers (kernels/cpu/int_pack.h): groups of columns, each with F16 scales and perhaps zero
// points of a byte. 0 where groups are no multiple of 4 columns: such a weight is widened.
int64_t CpuIntBytes(const LinearPart& part) {
  const int64_t shard = part.cols / part.k_shards;
  const int64_t group = std::gcd(std::gcd(part.group_columns, shard), part.col_begin);
  if (group % 4 != 0) return 0;
  const int64_t group_bytes =
      kPanelRows * (2 + (part.zeros ? 1 : 0)) + group * kPanelRows * part.bits / 8;
  return CeilDiv(part.rows, kPanelRows) * (part.gate_up ? 2 : 1) * (part.cols / group) *
         group_bytes;
}

// Panels of 16 rows; what begins in one is padded with zeros.
int64_t CpuBytes(const LinearPart& part) {
  if (part.bits > 0 && part.compute == v1::COMPUTE_MODE_BF16) {
    if (const int64_t bytes = CpuIntBytes(part); bytes > 0) return bytes + BiasBytes(part);
  }
  const bool fp8 = IsFp8(part);
  const bool f32 =
      part.compute == v1::COMPUTE_MODE_F32 || (part.compute == v1::COMPUTE_MODE_W8A8 && !fp8);
  const bool scaled = fp8 && !f32;
  const int64_t element = f32 ? 4 : fp8 ? 1 : 2;
  // Of the widest instruction set; columns that it divides take the same everywhere.
  const int64_t step_columns = f32 ? 1 : fp8 ? 4 : 2;
  int64_t panel_bytes = 0;
  ForEachRun(part, scaled, [&](int64_t columns) {
    panel_bytes += RoundUp(columns, step_columns) * kPanelRows * element +
                   (scaled ? kPanelRows * kFloatBytes : 0);
  });
  return CeilDiv(part.rows, kPanelRows) * (part.gate_up ? 2 : 1) * panel_bytes + BiasBytes(part);
}

// The most scales that the rows of one tile need: those of all blocks that its rows reach into.
int64_t CudaScalesOfTile(const LinearPart& part, int64_t outputs, int64_t row_tiles) {
  int64_t most = 1;
  if (part.scale_rows > 0) {
    const int64_t lead = part.row_begin % part.scale_rows;
    const auto block = [&](int64_t row) { return (lead + row) / part.scale_rows; };
    // The pattern repeats after a block's rows.
    const int64_t tiles = std::min(row_tiles, part.scale_rows / outputs + 1);
    for (int64_t tile = 0; tile < tiles; ++tile) {
      const int64_t last = std::min((tile + 1) * outputs, part.rows) - 1;
      most = std::max(most, block(last) - block(tile * outputs) + 1);
    }
  }
  return (part.gate_up ? 2 : 1) * most;
}

// Of a tile of codes and their scales (kernels/cuda/choose/gemm_layout.h). 0: the weight has none,
// or borders cut its groups so that it is widened.
int64_t CudaCodeTileBytes(const LinearPart& part) {
  constexpr int64_t kCodeBytes = 2048, kRows = 64, kColumns = 64;
  const int64_t shard = part.cols / part.k_shards;
  const int64_t group_columns = part.mxfp4 ? 32 : part.group_columns;
  const int64_t group = std::gcd(std::gcd(group_columns, shard), part.col_begin);
  if (group % (kColumns / 2) != 0) return 0;
  if (part.mxfp4) return kCodeBytes + 2 * kRows;
  if (part.bits != 4 || part.compute != v1::COMPUTE_MODE_BF16) return 0;
  return kCodeBytes + (group % kColumns == 0 ? 1 : 2) * kRows * kFloatBytes;
}

// Tiles of 64 rows by 128 bytes of K, or of codes, then what kernels look up beside them.
int64_t CudaBytes(const LinearPart& part) {
  constexpr int64_t kTileRows = 64, kLineBytes = 128, kKTileBytes = 12;
  const int64_t code_tile_bytes = CudaCodeTileBytes(part);
  const bool fp8 = IsFp8(part);
  const bool e4m3 = fp8 && part.compute == v1::COMPUTE_MODE_W8A8;
  const int64_t tile_columns = e4m3 ? 128 : 64;
  const int64_t tiles_per_scale = fp8 && !e4m3 ? 2 : 1;
  // Weights finer than bf16 are sums of bf16 planes.
  int64_t planes = 1;
  if (code_tile_bytes == 0 && part.compute != v1::COMPUTE_MODE_BF16) {
    if (part.stored == v1::DATA_TYPE_F32) planes = 3;
    if (part.stored == v1::DATA_TYPE_F16) planes = 2;
  }
  int64_t k_tiles = 0;
  ForEachRun(part, fp8, [&](int64_t columns) {
    k_tiles += RoundUp(CeilDiv(columns, tile_columns), tiles_per_scale);
  });
  const int64_t outputs = part.gate_up ? kTileRows / 2 : kTileRows;
  const int64_t row_tiles = CeilDiv(part.rows, outputs);
  const auto placed = [](int64_t bytes) { return RoundUp(bytes, 256); };
  const int64_t tile_bytes = code_tile_bytes > 0 ? code_tile_bytes : kTileRows * kLineBytes;
  int64_t bytes = placed(row_tiles * k_tiles * planes * tile_bytes);
  if (fp8) {
    bytes += placed(row_tiles * CeilDiv(k_tiles, tiles_per_scale) *
                    CudaScalesOfTile(part, outputs, row_tiles) * kFloatBytes) +
             placed(row_tiles * kTileRows);
  }
  bytes += placed(BiasBytes(part));
  return bytes + placed((part.k_shards + 1) * kFloatBytes) + placed(k_tiles * kKTileBytes);
}

}  // namespace

absl::StatusOr<BackendKind> ParseBackendKind(std::string_view name) {
  if (name == "cpu") return BackendKind::kCpu;
  if (name == "cuda") return BackendKind::kCuda;
  return absl::InvalidArgumentError(
      fmt::format("backend \"{}\": the planner knows cpu and cuda", name));
}

int64_t PackedBytes(BackendKind backend, const LinearPart& part) {
  return backend == BackendKind::kCpu ? CpuBytes(part) : CudaBytes(part);
}

}  // namespace switchyard::core
