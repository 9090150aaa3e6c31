#include <algorithm>

#include "kernels/op_check.h"
#include "kernels/op_check_util.h"

namespace switchyard::kernels {

void Check(const GateArgs& args) {
  constexpr std::string_view kOp = "Gate";
  TensorCheck(kOp, "logits", args.logits).Type(DType::kF32).Rank(2);
  const int64_t tokens = args.logits.dims[0];
  const int64_t experts = args.logits.dims[1];
  TensorCheck(kOp, "logits", args.logits).Shape({tokens, experts});
  TensorCheck(kOp, "bias", args.bias).Type(DType::kF32).Shape({experts});

  ExpectBetween(kOp, "logits: dimension 1", 1, kMaxExperts, experts);
  ExpectBetween(kOp, "num_groups", 1, std::min(kMaxExpertGroups, experts), args.num_groups);
  ExpectEqual(kOp, "experts modulo num_groups", 0, experts % args.num_groups);
  ExpectBetween(kOp, "top_groups", 1, args.num_groups, args.top_groups);
  const int64_t group_size = experts / args.num_groups;
  // A group's score is the sum of its two largest.
  if (args.num_groups > 1) ExpectBetween(kOp, "experts of a group", 2, experts, group_size);

  TensorCheck(kOp, "ids", args.ids).Type(DType::kI32).Rank(2);
  const int64_t slots = args.ids.dims[1];
  ExpectBetween(kOp, "ids: dimension 1", 1,
                std::min(kMaxExpertsPerToken, args.top_groups * group_size), slots);
  TensorCheck(kOp, "ids", args.ids).Shape({tokens, slots});
  TensorCheck(kOp, "weights", args.weights).Type(DType::kF32).Shape({tokens, slots});
}

void Check(const CombineRowsArgs& args) {
  constexpr std::string_view kOp = "CombineRows";
  TensorCheck(kOp, "rows", args.rows).OneOf({DType::kF32, DType::kBf16}).Rank(2);
  const int64_t hidden = args.rows.dims[1];
  TensorCheck(kOp, "rows", args.rows).Shape({args.rows.dims[0], hidden});
  TensorCheck(kOp, "row_of", args.row_of).Type(DType::kI32).Rank(2);
  const int64_t tokens = args.row_of.dims[0];
  const int64_t slots = args.row_of.dims[1];
  TensorCheck(kOp, "row_of", args.row_of).Shape({tokens, slots});
  ExpectBetween(kOp, "row_of: dimension 1", 1, kMaxExpertsPerToken, slots);
  TensorCheck(kOp, "weights", args.weights).Type(DType::kF32).Shape({tokens, slots});
  TensorCheck(kOp, "y", args.y).Activation().Shape({tokens, hidden});
  if (!args.base.empty()) {
    TensorCheck(kOp, "base", args.base).Type(args.y.dtype).Shape({tokens, hidden});
  }
}

}  // namespace switchyard::kernels
