#include "kernels/op_check.h"
#include "kernels/op_check_util.h"

namespace switchyard::kernels {
namespace {

// Returns the tokens of a block.
int64_t CheckCache(std::string_view op, const TensorView& cache, int64_t kv_heads, int64_t dim) {
  TensorCheck(op, "cache", cache).OneOf({DType::kBf16, DType::kF32}).Rank(4);
  ExpectBetween(op, "cache: dimension 2", 2, INT32_MAX, cache.dims[2]);
  ExpectEqual(op, "cache: dimension 2 modulo 2", 0, cache.dims[2] % 2);
  TensorCheck(op, "cache", cache).Shape({cache.dims[0], kv_heads, cache.dims[2], dim});
  return cache.dims[2] / 2;
}

// What prefill and decode share. Returns the tokens of a block.
template <typename Args>
int64_t CheckQueries(std::string_view op, const Args& args) {
  TensorCheck(op, "q", args.q).Activation().Rank(3);
  const auto [tokens, heads, dim, unused] = args.q.dims;
  TensorCheck(op, "q", args.q).Shape({tokens, heads, dim});
  TensorCheck(op, "out", args.out).Type(args.q.dtype).Shape({tokens, heads, dim});
  ExpectBetween(op, "q: dimension 2", 1, INT32_MAX, dim);
  ExpectEqual(op, "positions", tokens, static_cast<int64_t>(args.positions.size()));
  ExpectBetween(op, "window", 0, INT32_MAX, args.window);
  ExpectBetween(op, "cache: dimension 1", 1, heads, args.cache.dims[1]);
  ExpectEqual(op, "query heads modulo key-value heads", 0, heads % args.cache.dims[1]);
  if (!args.sinks.empty()) {
    TensorCheck(op, "sinks", args.sinks).Type(DType::kF32).Shape({heads}).Contiguous();
  }
  return CheckCache(op, args.cache, args.cache.dims[1], dim);
}

}  // namespace

void Check(const GqaWriteArgs& args) {
  constexpr std::string_view kOp = "GqaWrite";
  TensorCheck(kOp, "k", args.k).Activation().Rank(3);
  const int64_t tokens = static_cast<int64_t>(args.slots.size());
  TensorCheck(kOp, "k", args.k).Shape({tokens, args.k.dims[1], args.k.dims[2]});
  TensorCheck(kOp, "v", args.v).Type(args.k.dtype).Shape({tokens, args.k.dims[1], args.k.dims[2]});
  CheckCache(kOp, args.cache, args.k.dims[1], args.k.dims[2]);
  CheckRotation(kOp, args.rotation, tokens, args.k.dims[2]);
}

void Check(const GqaPrefillArgs& args) {
  constexpr std::string_view kOp = "GqaPrefill";
  const int64_t block_tokens = CheckQueries(kOp, args);
  const int64_t tokens = args.q.dims[0];
  ExpectBetween(kOp, "q: dimension 0", 1, INT32_MAX, tokens);
  const int64_t first = args.positions.front(), newest = args.positions.back();
  ExpectBetween(kOp, "positions: first", 0, INT32_MAX, first);
  ExpectEqual(kOp, "positions: last", first + tokens - 1, newest);
  ExpectBetween(kOp, "blocks in table", newest / block_tokens + 1, INT32_MAX,
                static_cast<int64_t>(args.table.size()));
}

void Check(const GqaDecodeArgs& args) {
  constexpr std::string_view kOp = "GqaDecode";
  CheckQueries(kOp, args);
  ExpectEqual(kOp, "tables", args.q.dims[0], static_cast<int64_t>(args.tables.size()));
}

}  // namespace switchyard::kernels
