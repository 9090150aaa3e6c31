#include <algorithm>

#include "kernels/op_check.h"
#include "kernels/op_check_util.h"

namespace switchyard::kernels {
namespace {

// Tokens' experts, and where all experts are.
void CheckIds(std::string_view op, const TensorView& ids, const TensorView& rank_of_expert,
              const TensorView& local_index_of_expert) {
  TensorCheck(op, "ids", ids).Type(DType::kI32).Rank(2);
  TensorCheck(op, "ids", ids).Shape({ids.dims[0], ids.dims[1]});
  ExpectBetween(op, "ids: dimension 1", 1, kMaxExpertsPerToken, ids.dims[1]);
  const int64_t experts = rank_of_expert.rows();
  ExpectBetween(op, "rank_of_expert", 1, kMaxExperts, experts);
  TensorCheck(op, "rank_of_expert", rank_of_expert).Type(DType::kI32).Shape({experts});
  TensorCheck(op, "local_index_of_expert", local_index_of_expert)
      .Type(DType::kI32)
      .Shape({experts});
}

}  // namespace

void Check(const GateArgs& args) {
  constexpr std::string_view kOp = "Gate";
  TensorCheck(kOp, "logits", args.logits).Type(DType::kF32).Rank(2);
  const int64_t tokens = args.logits.dims[0];
  const int64_t experts = args.logits.dims[1];
  TensorCheck(kOp, "logits", args.logits).Shape({tokens, experts});
  if (args.softmax) {
    SY_CHECK(args.bias.empty()) << kOp << ": bias: expected none with softmax";
  } else {
    TensorCheck(kOp, "bias", args.bias).Type(DType::kF32).Shape({experts});
  }

  ExpectBetween(kOp, "logits: dimension 1", 1, kMaxExperts, experts);
  ExpectBetween(kOp, "num_groups", 1, std::min(kMaxExpertGroups, experts), args.num_groups);
  ExpectEqual(kOp, "experts modulo num_groups", 0, experts % args.num_groups);
  ExpectBetween(kOp, "top_groups", 1, args.num_groups, args.top_groups);
  const int64_t group_size = experts / args.num_groups;
  // A group's score is the sum of its two largest.
  if (args.num_groups > 1 && !args.softmax)
    ExpectBetween(kOp, "experts of a group", 2, experts, group_size);

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

void Check(const PlaceTokensArgs& args) {
  constexpr std::string_view kOp = "PlaceTokens";
  TensorCheck(kOp, "places_x", args.places_x).Activation().Rank(2);
  TensorCheck(kOp, "places_ids", args.places_ids).Type(DType::kI32).Rank(2);
  const int64_t places = args.places_x.dims[0], hidden = args.places_x.dims[1];
  const int64_t slots = args.places_ids.dims[1], tokens = args.x.rows();
  ExpectBetween(kOp, "x: dimension 0", 0, places, tokens);
  TensorCheck(kOp, "places_x", args.places_x).Shape({places, hidden});
  TensorCheck(kOp, "places_ids", args.places_ids).Shape({places, slots});
  TensorCheck(kOp, "x", args.x).Type(args.places_x.dtype).Shape({tokens, hidden});
  TensorCheck(kOp, "ids", args.ids).Type(DType::kI32).Shape({tokens, slots});
  if (!args.slots.empty()) ExpectEqual(kOp, "slots", tokens, std::ssize(args.slots));
}

void Check(const RouteTokensArgs& args) {
  constexpr std::string_view kOp = "RouteTokens";
  CheckIds(kOp, args.ids, args.rank_of_expert, args.local_index_of_expert);
  const int64_t places = args.ids.dims[0], slots = args.ids.dims[1];
  ExpectBetween(kOp, "num_ranks", 1, INT32_MAX, args.num_ranks);
  ExpectBetween(kOp, "rank", 0, args.num_ranks - 1, args.rank);
  ExpectEqual(kOp, "places modulo ranks", 0, places % args.num_ranks);
  const int64_t least = args.num_ranks == 1 ? places : 0;
  ExpectBetween(kOp, "own_tokens", least, places / args.num_ranks, args.own_tokens);
  if (!args.slots.empty()) {
    ExpectEqual(kOp, "slots", args.num_ranks == 1 ? args.own_tokens : 0, std::ssize(args.slots));
  }
  TensorCheck(kOp, "expert_rows", args.expert_rows).Type(DType::kI32).Rank(1);
  const int64_t local = args.expert_rows.dims[0];
  TensorCheck(kOp, "expert_rows", args.expert_rows).Shape({local});
  TensorCheck(kOp, "spans", args.spans).Type(DType::kI32).Shape({local + 1, 2}).Contiguous();
  TensorCheck(kOp, "places", args.places).Type(DType::kI32).Rank(1);
  ExpectBetween(kOp, "places", args.own_tokens + places * std::min(slots, local), INT32_MAX,
                args.places.dims[0]);
  ExpectBetween(kOp, "returned_slots", 0, slots, args.returned_slots);
  if (args.num_ranks > 1) {
    TensorCheck(kOp, "returned", args.returned)
        .Type(DType::kI32)
        .Shape({places * args.returned_slots});
  }
  TensorCheck(kOp, "row_of", args.row_of).Type(DType::kI32).Shape({args.own_tokens, slots});
}

void Check(const DispatchTokensArgs& args) {
  constexpr std::string_view kOp = "DispatchTokens";
  CheckIds(kOp, args.ids, args.rank_of_expert, args.local_index_of_expert);
  const int64_t tokens = args.ids.dims[0], slots = args.ids.dims[1];
  const int64_t ranks = args.counts.rows();
  ExpectBetween(kOp, "counts", 1, INT32_MAX, ranks);
  TensorCheck(kOp, "counts", args.counts).Type(DType::kI32).Shape({ranks, 2}).Contiguous();
  TensorCheck(kOp, "tokens", args.tokens).Type(DType::kI32).Rank(1);
  const int64_t rows = args.tokens.dims[0];
  ExpectBetween(kOp, "tokens", tokens * std::min(slots, ranks), INT32_MAX, rows);
  TensorCheck(kOp, "experts", args.experts).Type(DType::kI32).Rank(2);
  ExpectBetween(kOp, "experts: dimension 1", 1, slots, args.experts.dims[1]);
  TensorCheck(kOp, "experts", args.experts).Shape({rows, args.experts.dims[1]});
  TensorCheck(kOp, "row_of", args.row_of).Type(DType::kI32).Shape({tokens, slots});
}

void Check(const ReceiveTokensArgs& args) {
  constexpr std::string_view kOp = "ReceiveTokens";
  TensorCheck(kOp, "experts", args.experts).Type(DType::kI32).Rank(2);
  TensorCheck(kOp, "experts", args.experts).Shape({args.experts.dims[0], args.experts.dims[1]});
  ExpectBetween(kOp, "experts: dimension 1", 1, kMaxExpertsPerToken, args.experts.dims[1]);
  TensorCheck(kOp, "expert_rows", args.expert_rows).Type(DType::kI32).Rank(1);
  const int64_t local = args.expert_rows.dims[0];
  ExpectBetween(kOp, "expert_rows", 0, kMaxExperts, local);
  TensorCheck(kOp, "expert_rows", args.expert_rows).Shape({local});
  TensorCheck(kOp, "spans", args.spans).Type(DType::kI32).Shape({local + 1, 2}).Contiguous();
  TensorCheck(kOp, "sources", args.sources).Type(DType::kI32).Rank(1);
  const int64_t rows = args.sources.dims[0];
  ExpectBetween(kOp, "sources", 0, INT32_MAX, rows);
  ExpectBetween(kOp, "own_tokens", 0, INT32_MAX - rows, args.own_tokens);
  TensorCheck(kOp, "sources", args.sources).Shape({rows});
  TensorCheck(kOp, "returned", args.returned).Type(DType::kI32).Shape({rows});
}

void Check(const SelectRowsArgs& args) {
  constexpr std::string_view kOp = "SelectRows";
  TensorCheck(kOp, "x", args.x).Rank(2);
  TensorCheck(kOp, "x", args.x).Shape({args.x.dims[0], args.x.dims[1]});
  TensorCheck(kOp, "rows", args.rows).Type(DType::kI32).Rank(1);
  TensorCheck(kOp, "rows", args.rows).Shape({args.rows.dims[0]});
  TensorCheck(kOp, "y", args.y).Type(args.x.dtype).Shape({args.rows.dims[0], args.x.dims[1]});
}

}  // namespace switchyard::kernels
