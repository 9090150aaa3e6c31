// A rank may have nothing to compute in a step: every op takes no rows, launches nothing that a
// device would refuse, and leaves what it does not own. (Prefill attention asks for a query.)
#include <vector>

#include "kernels/cuda/cuda_ops.h"
#include "tests/kernels/cuda/cuda_fixture.h"

namespace switchyard::kernels {
namespace {

constexpr int64_t kWidth = 32;

class CudaNoRowsTest : public CudaTest {
 protected:
  ~CudaNoRowsTest() override { device_->Synchronize(); }

  TensorView Bf16(std::initializer_list<int64_t> shape) { return Make(DType::kBf16, shape); }
  TensorView F32(std::initializer_list<int64_t> shape) { return Make(DType::kF32, shape); }
  TensorView Ints(std::initializer_list<int64_t> shape, const std::vector<int32_t>& values) {
    return Put(DType::kI32, shape, std::span<const int32_t>(values));
  }

  LinearSource Square() {
    return {.name = "w", .weight = TensorView(weight_.data(), DType::kF32, {kWidth, kWidth})};
  }
  MlpWeights Mlp() {
    return {.gate_up = ops_->PackGateUp(Square(), Square()), .down = ops_->Pack(Square())};
  }

  const std::unique_ptr<Ops> ops_ = cuda::MakeCudaOps(*device_);
  const std::vector<float> weight_ = std::vector<float>(kWidth * kWidth, 1.0f);
};

TEST_F(CudaNoRowsTest, Linears) {
  const MlpWeights mlp = Mlp();
  const TensorView x = Bf16({0, kWidth}), y = Bf16({0, kWidth});
  ops_->Linear({.x = x, .weight = mlp.down.get(), .y = y});
  ops_->GateUp({.x = x, .weight = mlp.gate_up.get(), .y = y});
  ops_->GroupAmax({.x = x, .amax = F32({0, 1})});
  const std::vector<const PackedLinear*> heads = {mlp.down.get(), mlp.down.get()};
  ops_->BatchedLinear({.x = Bf16({0, 2, kWidth}), .weights = heads, .y = Bf16({0, 2, kWidth})});
  const std::vector<const MlpWeights*> mlps = {&mlp};
  const std::vector<int32_t> offsets = {0, 0};
  ops_->GroupedMlp({.x = x, .offsets = offsets, .mlps = mlps, .y = y});
  const std::unique_ptr<MlpTable> table = ops_->MakeMlpTable(mlps);
  ops_->RoutedMlp({.x = x, .spans = Ints({1, 2}, {0, 0}), .table = table.get(), .y = y});
}

TEST_F(CudaNoRowsTest, Rows) {
  const TensorView none = Bf16({0, kWidth});
  ops_->Embedding({.table = Bf16({4, kWidth}), .y = none});
  ops_->RmsNorm({.x = none, .delta = none, .weight = F32({kWidth}), .eps = 1e-6f, .y = none});
  ops_->Add({.x = none, .delta = none});
  ops_->Rope({.x = Bf16({0, 2, kWidth}), .table = F32({4, kWidth})});
  ops_->GatherRows({.x = Bf16({4, kWidth}), .y = none});
  ops_->Cast({.x = F32({0, kWidth}), .y = none});
  ops_->TreeSum({.parts = F32({2, 0}), .y = F32({0})});
  ops_->LargestPart({.parts = F32({2, 0}), .y = F32({0})});
}

TEST_F(CudaNoRowsTest, Attention) {
  const TensorView cache = Bf16({2, 4, kWidth}), pairs = Bf16({2, 1, 8, kWidth});
  ops_->LatentWrite({.c = Bf16({0, 24}), .k_pe = Bf16({0, 8}), .cache = cache});
  ops_->LatentGather({.cache = cache, .c = Bf16({0, 24}), .k_pe = Bf16({0, 8})});
  ops_->DecodeAttention(
      {.qa = Bf16({0, 2, 24}), .q_pe = Bf16({0, 2, 8}), .cache = cache, .out = Bf16({0, 2, 24})});
  ops_->GqaWrite({.k = Bf16({0, 1, kWidth}), .v = Bf16({0, 1, kWidth}), .cache = pairs});
  ops_->GqaDecode({.q = Bf16({0, 2, kWidth}), .cache = pairs, .out = Bf16({0, 2, kWidth})});
}

// The lists of a rank without tokens say that there are none.
TEST_F(CudaNoRowsTest, Experts) {
  const TensorView no_ids = Ints({0, 2}, {}), of_expert = Ints({4}, {0, 0, 1, 1});
  ops_->Gate({.logits = F32({0, 4}), .bias = F32({4}), .ids = no_ids, .weights = F32({0, 2})});
  ops_->CombineRows({.rows = Bf16({3, kWidth}),
                     .row_of = no_ids,
                     .weights = F32({0, 2}),
                     .y = Bf16({0, kWidth})});
  ops_->PlaceTokens(
      {.x = Bf16({0, kWidth}), .ids = no_ids, .places_x = Bf16({0, kWidth}), .places_ids = no_ids});
  ops_->SelectRows({.x = Bf16({3, kWidth}), .rows = Ints({0}, {}), .y = Bf16({0, kWidth})});
  const TensorView counts = Ints({2, 2}, {9, 9, 9, 9}), tokens = Ints({1}, {9});
  ops_->DispatchTokens({.ids = no_ids,
                        .rank_of_expert = of_expert,
                        .local_index_of_expert = Ints({4}, {0, 1, 0, 1}),
                        .counts = counts,
                        .tokens = tokens,
                        .experts = Ints({1, 2}, {9, 9}),
                        .row_of = no_ids});
  EXPECT_EQ(GetAs<int32_t>(counts), (std::vector<int32_t>{0, 0, 0, 0}));
  EXPECT_EQ(GetAs<int32_t>(tokens), std::vector<int32_t>{-1});
  const TensorView spans = Ints({3, 2}, {9, 9, 9, 9, 9, 9}), rows = Ints({2}, {5, 6});
  ops_->ReceiveTokens({.experts = no_ids,
                       .own_tokens = 3,
                       .spans = spans,
                       .sources = Ints({0}, {}),
                       .returned = Ints({0}, {}),
                       .expert_rows = rows});
  EXPECT_EQ(GetAs<int32_t>(spans), (std::vector<int32_t>{3, 0, 3, 0, 0, 3}));
  EXPECT_EQ(GetAs<int32_t>(rows), (std::vector<int32_t>{5, 6}));
}

TEST_F(CudaNoRowsTest, Logits) {
  const TensorView logits = F32({2, 40});
  ops_->EditLogits({.logits = logits});
  ops_->LogitMax({.logits = logits});
  ops_->LogitHistogram({.logits = logits});
  ops_->LogitMassOf({.logits = logits});
  ops_->LogitPick({.logits = logits});
  ops_->LogitCollect({.logits = logits, .limit = 4});
  ops_->LogitGather({.logits = logits});
}

}  // namespace
}  // namespace switchyard::kernels
