#include "kernels/op_check.h"
#include "kernels/op_check_util.h"

namespace switchyard::kernels {

void Check(const EmbeddingArgs& args) {
  constexpr std::string_view kOp = "Embedding";
  const int64_t tokens = static_cast<int64_t>(args.ids.size());
  TensorCheck table(kOp, "table", args.table);
  table.OneOf({DType::kF32, DType::kF16, DType::kBf16}).Rank(2);
  table.Shape({args.table.dims[0], args.table.dims[1]});
  ExpectBetween(kOp, "first_row", 0, INT32_MAX, args.first_row);
  TensorCheck(kOp, "y", args.y).Activation().Shape({tokens, args.table.dims[1]});
}

void Check(const RmsNormArgs& args) {
  constexpr std::string_view kOp = "RmsNorm";
  const DType act = args.x.dtype;
  TensorCheck(kOp, "x", args.x).Activation().Rank(2);
  const int64_t tokens = args.x.dims[0];
  const int64_t hidden = args.x.dims[1];
  TensorCheck(kOp, "x", args.x).Shape({tokens, hidden});
  if (!args.delta.empty()) {
    TensorCheck(kOp, "delta", args.delta).Type(act).Shape({tokens, hidden});
    SY_CHECK(args.y.data != args.x.data || tokens == 0)
        << kOp << ": y: expected memory other than x, which keeps the sum with delta";
  }
  TensorCheck(kOp, "weight", args.weight).Type(DType::kF32).Shape({hidden});
  if (!args.y.empty() || args.quantised.empty()) {
    TensorCheck(kOp, "y", args.y).Type(act).Shape({tokens, hidden});
  }
  if (!args.quantised.empty()) CheckQuantised(kOp, args.quantised, tokens, hidden);
  SY_CHECK(args.eps >= 0) << kOp << ": eps: expected at least 0, got " << args.eps;
}

void Check(const AddArgs& args) {
  constexpr std::string_view kOp = "Add";
  TensorCheck(kOp, "x", args.x).Activation().Rank(2);
  TensorCheck(kOp, "x", args.x).Shape({args.x.dims[0], args.x.dims[1]});
  TensorView delta = args.delta;
  if (delta.row_stride == 0) delta.row_stride = delta.RowElements();  // one row for all
  // What is finer than x may stay so.
  const DType type = delta.dtype == DType::kF32 ? DType::kF32 : args.x.dtype;
  TensorCheck(kOp, "delta", delta).Type(type).Shape({args.x.dims[0], args.x.dims[1]});
}

void Check(const RopeArgs& args) {
  constexpr std::string_view kOp = "Rope";
  TensorCheck(kOp, "x", args.x).Activation().Rank(3);
  const auto [tokens, heads, dim, unused] = args.x.dims;
  ExpectEqual(kOp, "x: dimension 2 modulo 2", 0, dim % 2);
  ExpectEqual(kOp, "positions", tokens, static_cast<int64_t>(args.positions.size()));
  TensorCheck(kOp, "table", args.table).Type(DType::kF32).Rank(2);
  TensorCheck(kOp, "table", args.table).Shape({args.table.dims[0], dim});
  if (args.x.NumElements() == 0) return;
  SY_CHECK(!args.x.empty()) << kOp << ": x: expected data, got null";
  const int64_t head_stride = args.head_stride == 0 ? dim : args.head_stride;
  ExpectBetween(kOp, "head_stride", dim, INT32_MAX, head_stride);
  const int64_t row_elements = (heads - 1) * head_stride + dim;
  if (tokens > 1) ExpectBetween(kOp, "x: row stride", row_elements, INT64_MAX, args.x.row_stride);
}

void Check(const GatherRowsArgs& args) {
  constexpr std::string_view kOp = "GatherRows";
  TensorCheck(kOp, "x", args.x).Rank(2);
  TensorCheck(kOp, "x", args.x).Shape({args.x.dims[0], args.x.dims[1]});
  TensorCheck(kOp, "y", args.y)
      .Type(args.x.dtype)
      .Shape({static_cast<int64_t>(args.rows.size()), args.x.dims[1]});
}

void Check(const CastArgs& args) {
  constexpr std::string_view kOp = "Cast";
  TensorCheck(kOp, "x", args.x).OneOf({DType::kF32, DType::kBf16}).Rank(2);
  TensorCheck(kOp, "x", args.x).Shape({args.x.dims[0], args.x.dims[1]});
  TensorCheck(kOp, "y", args.y)
      .OneOf({DType::kF32, DType::kBf16})
      .Shape({args.x.dims[0], args.x.dims[1]});
}

void Check(const TreeSumArgs& args) {
  constexpr std::string_view kOp = "TreeSum";
  TensorCheck(kOp, "parts", args.parts).Type(DType::kF32).Rank(2);
  const int64_t parts = args.parts.dims[0];
  TensorCheck(kOp, "parts", args.parts).Shape({parts, args.parts.dims[1]});
  SY_CHECK(parts > 0 && (parts & (parts - 1)) == 0)
      << kOp << ": parts: dimension 0: expected a power of two, got " << parts;
  TensorCheck(kOp, "y", args.y).Activation().Shape({args.parts.dims[1]});
}

void Check(const LargestPartArgs& args) {
  constexpr std::string_view kOp = "LargestPart";
  TensorCheck(kOp, "parts", args.parts).Type(DType::kF32).Rank(2);
  const int64_t parts = args.parts.dims[0], n = args.parts.dims[1];
  ExpectBetween(kOp, "parts: dimension 0", 1, INT32_MAX, parts);
  TensorCheck(kOp, "parts", args.parts).Shape({parts, n});
  TensorCheck(kOp, "y", args.y).Type(DType::kF32).Shape({n});
}

}  // namespace switchyard::kernels
