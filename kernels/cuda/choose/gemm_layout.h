// How a matrix product is laid out in device memory: what weights (packed once) and activations
// (brought into the form before each product) agree on.
//
// K is walked in tiles of 128 bytes: 64 columns of bf16 or 128 of e4m3. A weight is tiles of 64
// rows, activations are atoms of 8 rows, each in the 128-byte swizzle that wgmma reads: they are
// copied into shared memory as they are. A tile never reaches over a border at which sums are cut;
// what it has too much is zero.
//
// A weight of 4-bit codes with a scale for a group of columns stays so in memory, as tiles of 64
// rows and 64 columns with their scales (choose/code_tile.h). The threads that multiply widen them
// to the bf16 that packing would have made of them, in registers: the product has the same bits.
#ifndef SWITCHYARD_KERNELS_CUDA_CHOOSE_GEMM_LAYOUT_H_
#define SWITCHYARD_KERNELS_CUDA_CHOOSE_GEMM_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "kernels/args/linear.h"

namespace switchyard::kernels::cuda {

inline constexpr int kTileRows = 64;  // of a weight
inline constexpr int kTileBytes = kTileRows * 128;
inline constexpr int kAtomRows = 8;  // of activations
inline constexpr int kAtomBytes = kAtomRows * 128;
// Columns that share an activation scale and an FP8 weight scale, counted from column 0 of the
// whole tensor.
inline constexpr int64_t kScaleColumns = 128;

// The byte of a tile or atom where 16-byte chunk `chunk` of row `row` lies.
constexpr int SwizzledChunk(int row, int chunk) { return row * 128 + (chunk ^ row % 8) * 16; }

// What is multiplied, and when a sum leaves the tensor core for ordinary registers.
enum class GemmForm : uint8_t {
  kBf16,        // bf16 x bf16, one sum per shard of K
  kBf16Scaled,  // bf16 x bf16; every two tiles (one scale block) are summed and scaled
  kE4m3,        // e4m3 x e4m3; every tile (one scale block) is summed and scaled
  kInt4,        // as kBf16, of whole numbers of 4 bits with zero points
  kMxfp4,       // as kBf16, of floats of 4 bits (e2m1) with powers of two for 32 columns
};
inline constexpr GemmForm kGemmForms[] = {GemmForm::kBf16, GemmForm::kBf16Scaled, GemmForm::kE4m3,
                                          GemmForm::kInt4, GemmForm::kMxfp4};
// Weights are codes of 4 bits.
constexpr bool IsCoded(GemmForm form) {
  return form == GemmForm::kInt4 || form == GemmForm::kMxfp4;
}

constexpr int TileColumns(GemmForm form) { return form == GemmForm::kE4m3 ? 128 : 64; }
constexpr int TilesPerScale(GemmForm form) { return form == GemmForm::kBf16Scaled ? 2 : 1; }

// Of a tile of codes: the codes, and behind them the scales of `groups` (1 or 2) of each row.
inline constexpr int kCodeBytes = kTileRows * 64 / 2;
constexpr int TileBytes(GemmForm form, int groups) {
  if (!IsCoded(form)) return kTileBytes;
  const int scale_bytes = form == GemmForm::kInt4 ? 4 : 1;
  return kCodeBytes + kTileRows * groups * scale_bytes;
}
// The room for a tile, of any number of groups, in shared memory.
constexpr int SlotBytes(GemmForm form) {
  return IsCoded(form) ? TileBytes(GemmForm::kInt4, 2) : kTileBytes;
}

// The columns of x in one tile of K; none where a scale block fills only its first tile.
struct KTile {
  int32_t column = 0;
  int32_t columns = 0;
  int32_t scale_group = 0;  // of 128 columns, counted from the one that holds column 0
};

// The walk along K of one weight.
struct KLayout {
  GemmForm form = GemmForm::kBf16;
  // Weights finer than bf16 are sums of bf16 planes, which lie one after the other in each tile of
  // K: weight tile t meets activation tile t / planes.
  int32_t planes = 1;
  int32_t groups = 1;  // of a tile of codes, which share its columns evenly
  int64_t columns = 0;
  int64_t lead = 0;  // columns of the first scale group that lie before column 0
  std::vector<KTile> tiles;
  std::vector<int32_t> part_begin;  // [k_shards + 1], in tiles

  int64_t num_tiles() const { return static_cast<int64_t>(tiles.size()); }
  int64_t num_parts() const { return static_cast<int64_t>(part_begin.size()) - 1; }
  // Activations are quantised.
  bool quantised() const { return form == GemmForm::kE4m3; }
  bool scaled() const { return form == GemmForm::kBf16Scaled || quantised(); }
  int64_t tile_bytes() const { return TileBytes(form, groups); }
  // Of the tiles of all of K.
  int64_t row_tile_bytes() const { return num_tiles() * planes * tile_bytes(); }
};

KLayout MakeKLayout(const LinearSource& source);
// See PackedLinear::takes_quantised.
bool TakesQuantised(const KLayout& layout);

}  // namespace switchyard::kernels::cuda

#endif  // SWITCHYARD_KERNELS_CUDA_CHOOSE_GEMM_LAYOUT_H_
