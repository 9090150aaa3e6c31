#include <algorithm>
#include <iterator>

#include "kernels/op_check.h"
#include "kernels/op_check_util.h"

namespace switchyard::kernels {
namespace {

// The cache holds whole blocks; only the step from block to block is free.
void CheckCache(std::string_view op, const TensorView& cache, int64_t width) {
  TensorCheck check(op, "cache", cache);
  check.OneOf({DType::kBf16, DType::kF32}).Rank(3);
  ExpectBetween(op, "cache: dimension 1", 1, INT32_MAX, cache.dims[1]);
  check.Shape({cache.dims[0], cache.dims[1], width});
}

// How many keys there are.
int64_t CheckKeyRows(std::string_view op, const PrefillAttentionArgs& args) {
  const auto [tokens, heads, qk_dim, unused] = args.q.dims;
  TensorCheck(op, "k_pe", args.k_pe).Type(args.q.dtype).Rank(2);
  const int64_t count = args.k_pe.dims[0];
  const int64_t rope_dim = args.k_pe.dims[1];
  TensorCheck(op, "k_pe", args.k_pe).Shape({count, rope_dim});
  ExpectBetween(op, "k_pe: dimension 0", 1, kPrefillTileTokens, count);
  ExpectBetween(op, "k_pe: dimension 1", 0, qk_dim, rope_dim);
  TensorCheck(op, "kv", args.kv)
      .Type(args.q.dtype)
      .Shape({count, heads, qk_dim - rope_dim + args.out.dims[2]});
  ExpectEqual(op, "tile_begin modulo the tile", 0, args.tile_begin % kPrefillTileTokens);
  return count;
}

int64_t CheckKeyTiles(std::string_view op, const PrefillAttentionArgs& args) {
  SY_CHECK(args.kv.empty() && args.k_pe.empty()) << op << ": keys as rows and as tiles";
  ExpectEqual(op, "tile_begin of tiles", 0, args.tile_begin);
  const auto num_tiles = static_cast<int64_t>(args.tiles.size());
  ExpectBetween(op, "num_keys", (num_tiles - 1) * kPrefillTileTokens + 1,
                num_tiles * kPrefillTileTokens, args.num_keys);
  for (const void* tile : args.tiles) {
    SY_CHECK(tile != nullptr) << op << ": tiles: expected data, got null";
  }
  return args.num_keys;
}

}  // namespace

void Check(const LatentWriteArgs& args) {
  constexpr std::string_view kOp = "LatentWrite";
  const int64_t tokens = static_cast<int64_t>(args.slots.size());
  TensorCheck(kOp, "c", args.c).Activation().Rank(2);
  TensorCheck(kOp, "c", args.c).Shape({tokens, args.c.dims[1]});
  TensorCheck(kOp, "k_pe", args.k_pe).Type(args.c.dtype).Rank(2);
  TensorCheck(kOp, "k_pe", args.k_pe).Shape({tokens, args.k_pe.dims[1]});
  CheckCache(kOp, args.cache, args.c.dims[1] + args.k_pe.dims[1]);
  if (args.rotation.empty()) return;
  CheckRotation(kOp, args.rotation, tokens, args.k_pe.dims[1]);
  ExpectEqual(kOp, "table: dimension 1", args.k_pe.dims[1], args.rotation.table.dims[1]);
}

void Check(const LatentGatherArgs& args) {
  constexpr std::string_view kOp = "LatentGather";
  ExpectBetween(kOp, "begin", 0, INT32_MAX, args.begin);
  ExpectBetween(kOp, "count", 0, INT32_MAX, args.count);
  TensorCheck(kOp, "c", args.c).Activation().Rank(2);
  TensorCheck(kOp, "c", args.c).Shape({args.count, args.c.dims[1]});
  TensorCheck(kOp, "k_pe", args.k_pe).Type(args.c.dtype).Rank(2);
  TensorCheck(kOp, "k_pe", args.k_pe).Shape({args.count, args.k_pe.dims[1]});
  CheckCache(kOp, args.cache, args.c.dims[1] + args.k_pe.dims[1]);
  const int64_t reach = static_cast<int64_t>(args.table.size()) * args.cache.dims[1];
  ExpectBetween(kOp, "begin + count", 0, reach, args.begin + args.count);
}

void Check(const LayOutKeysArgs& args) {
  constexpr std::string_view kOp = "LayOutKeys";
  TensorCheck(kOp, "kv", args.kv).Activation().Rank(3);
  const auto [count, heads, width, unused] = args.kv.dims;
  TensorCheck(kOp, "kv", args.kv).Shape({count, heads, width});
  ExpectBetween(kOp, "value_dim", 0, width, args.value_dim);
  TensorCheck(kOp, "k_pe", args.k_pe).Type(args.kv.dtype).Rank(2);
  TensorCheck(kOp, "k_pe", args.k_pe).Shape({count, args.k_pe.dims[1]});
  ExpectBetween(kOp, "begin", 0, kPrefillTileTokens, args.begin);
  ExpectBetween(kOp, "begin + count", 0, kPrefillTileTokens, args.begin + count);
  SY_CHECK(args.tile != nullptr) << kOp << ": tile: expected data, got null";
}

void Check(const PrefillAttentionArgs& args) {
  constexpr std::string_view kOp = "PrefillAttention";
  TensorCheck(kOp, "q", args.q).Activation().Rank(3);
  const auto [tokens, heads, qk_dim, unused] = args.q.dims;
  TensorCheck(kOp, "q", args.q).Shape({tokens, heads, qk_dim});
  ExpectBetween(kOp, "q: dimension 0", 1, INT32_MAX, tokens);
  ExpectEqual(kOp, "positions", tokens, static_cast<int64_t>(args.positions.size()));
  TensorCheck(kOp, "out", args.out).Type(args.q.dtype).Rank(3);
  const int64_t value_dim = args.out.dims[2];
  TensorCheck(kOp, "out", args.out).Shape({tokens, heads, value_dim});
  TensorCheck(kOp, "state", args.state).Type(DType::kF32).Shape({tokens, heads, value_dim + 2});

  const int64_t first = args.positions.front();
  const int64_t newest = args.positions.back();
  ExpectBetween(kOp, "positions: first", 0, INT32_MAX, first);
  ExpectEqual(kOp, "positions: last", first + tokens - 1, newest);
  ExpectBetween(kOp, "tile_begin", 0, newest, args.tile_begin);
  const int64_t count = args.tiles.empty() ? CheckKeyRows(kOp, args) : CheckKeyTiles(kOp, args);
  if (args.last) {
    ExpectBetween(kOp, "tile_begin + keys of the last tile", newest + 1, INT32_MAX,
                  args.tile_begin + count);
  } else {
    ExpectEqual(kOp, "keys of a tile that is not the last",
                std::max<int64_t>(std::ssize(args.tiles), 1) * kPrefillTileTokens, count);
  }
}

void Check(const DecodeAttentionArgs& args) {
  constexpr std::string_view kOp = "DecodeAttention";
  TensorCheck(kOp, "qa", args.qa).Activation().Rank(3);
  const auto [tokens, heads, latent_dim, unused] = args.qa.dims;
  TensorCheck(kOp, "qa", args.qa).Shape({tokens, heads, latent_dim});
  ExpectEqual(kOp, "positions", tokens, static_cast<int64_t>(args.positions.size()));
  ExpectEqual(kOp, "tables", tokens, static_cast<int64_t>(args.tables.size()));

  TensorCheck(kOp, "q_pe", args.q_pe).Type(args.qa.dtype).Rank(3);
  const int64_t rope_dim = args.q_pe.dims[2];
  ExpectEqual(kOp, "q_pe: dimension 0", tokens, args.q_pe.dims[0]);
  ExpectEqual(kOp, "q_pe: dimension 1", heads, args.q_pe.dims[1]);
  if (args.q_pe.NumElements() > 0) {
    SY_CHECK(!args.q_pe.empty()) << kOp << ": q_pe: expected data, got null";
    const int64_t head_stride = args.q_pe_head_stride == 0 ? rope_dim : args.q_pe_head_stride;
    ExpectBetween(kOp, "q_pe_head_stride", rope_dim, INT32_MAX, head_stride);
  }
  CheckCache(kOp, args.cache, latent_dim + rope_dim);
  TensorCheck(kOp, "out", args.out).Type(args.qa.dtype).Shape({tokens, heads, latent_dim});
}

}  // namespace switchyard::kernels
