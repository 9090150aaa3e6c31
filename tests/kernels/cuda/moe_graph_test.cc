// The ops of an MoE layer wait for nothing on the host and upload nothing: captured once as a CUDA
// graph, they route and compute whatever lies in their inputs when the graph is launched.
#include <algorithm>

#include "kernels/cuda/linear.h"
#include "kernels/cuda/moe.h"
#include "tests/kernels/cuda/cuda_fixture.h"
#include "tests/kernels/linear_fixture.h"
#include "tests/testing/compare.h"

namespace switchyard::kernels {
namespace {

using switchyard::testing::SameBits;

constexpr int64_t kTokens = 9, kSlots = 3, kExperts = 12, kHidden = 136, kWidth = 128;
constexpr int64_t kRows = kTokens + kTokens * kSlots;

class CudaMoeGraphTest : public CudaTest {
 protected:
  CudaMoeGraphTest() {
    for (uint32_t expert = 0; expert <= kExperts; ++expert) {  // and the shared one
      const TestWeight up(DType::kF8E4M3, kWidth, kHidden, 2 * expert);
      const TestWeight down(DType::kF8E4M3, kHidden, kWidth, 2 * expert + 1);
      mlps_.push_back(
          {.gate_up = cuda::PackGateUp(cuda_, up.Whole(Compute::kW8A8), up.Whole(Compute::kW8A8)),
           .down = cuda::Pack(cuda_, down.Whole(Compute::kW8A8))});
    }
    std::vector<const MlpWeights*> views;
    for (const MlpWeights& mlp : mlps_) views.push_back(&mlp);
    table_ = cuda::MakeMlpTable(cuda_, views);
    std::vector<int32_t> local;
    for (int32_t e = 0; e < kExperts; ++e) local.push_back(e);
    local_ = Put(DType::kI32, {kExperts}, std::span<const int32_t>(local));
  }

  void RunLayer() {
    cuda::Gate(cuda_, {.logits = logits_, .bias = bias_, .ids = ids_, .weights = weights_});
    cuda::RouteTokens(cuda_, {.ids = ids_,
                              .rank_of_expert = ranks_,
                              .local_index_of_expert = local_,
                              .own_tokens = kTokens,
                              .returned_slots = kSlots,
                              .spans = spans_,
                              .places = places_,
                              .row_of = row_of_,
                              .expert_rows = expert_rows_});
    cuda::SelectRows(cuda_, {.x = x_, .rows = places_, .y = batch_x_});
    cuda::RoutedMlp(cuda_, {.x = batch_x_,
                            .spans = spans_,
                            .table = table_.get(),
                            .y = batch_y_,
                            .max_rows = kRows,
                            .likely_rows = kRows});
    cuda::CombineRows(cuda_, {.rows = batch_y_,
                              .row_of = row_of_,
                              .weights = weights_,
                              .base = batch_y_.Rows(0, kTokens),
                              .y = y_});
  }

  // What the layer has to work on.
  void Write(uint32_t seed) {
    const std::vector<float> logits = RandomValues(kTokens * kExperts, seed);
    const std::vector<float> x = RandomBf16(kTokens * kHidden, seed + 1);
    std::vector<Bf16> narrow(x.size());
    std::transform(x.begin(), x.end(), narrow.begin(), ToBf16);
    device_->CopyToDevice(logits_.data, logits.data(), std::ssize(logits) * int64_t{sizeof(float)});
    device_->CopyToDevice(x_.data, narrow.data(), std::ssize(narrow) * int64_t{sizeof(Bf16)});
    device_->Zero(y_.data, y_.NumElements() * SizeOf(y_.dtype));
  }

  cudaGraphExec_t Capture() {
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t executable = nullptr;
    EXPECT_EQ(cudaStreamBeginCapture(device_->stream(), cudaStreamCaptureModeThreadLocal),
              cudaSuccess);
    RunLayer();
    EXPECT_EQ(cudaStreamEndCapture(device_->stream(), &graph), cudaSuccess);
    EXPECT_EQ(cudaGraphInstantiate(&executable, graph, 0), cudaSuccess);
    EXPECT_EQ(cudaGraphDestroy(graph), cudaSuccess);
    return executable;
  }

  std::vector<MlpWeights> mlps_;
  std::unique_ptr<MlpTable> table_;
  TensorView local_, ranks_ = Make(DType::kI32, {kExperts});
  TensorView logits_ = Make(DType::kF32, {kTokens, kExperts}),
             bias_ = Make(DType::kF32, {kExperts});
  TensorView ids_ = Make(DType::kI32, {kTokens, kSlots});
  TensorView weights_ = Make(DType::kF32, {kTokens, kSlots});
  TensorView x_ = Make(DType::kBf16, {kTokens, kHidden}),
             y_ = Make(DType::kBf16, {kTokens, kHidden});
  TensorView spans_ = Make(DType::kI32, {kExperts + 1, 2}), places_ = Make(DType::kI32, {kRows});
  TensorView row_of_ = Make(DType::kI32, {kTokens, kSlots});
  TensorView expert_rows_ = Make(DType::kI32, {kExperts});
  TensorView batch_x_ = Make(DType::kBf16, {kRows, kHidden});
  TensorView batch_y_ = Make(DType::kBf16, {kRows, kHidden});
};

TEST_F(CudaMoeGraphTest, ACapturedLayerFollowsTheRoutesOfEachLaunch) {
  Write(1);
  RunLayer();  // working memory is there
  device_->Synchronize();
  cudaGraphExec_t layer = Capture();
  std::vector<std::vector<int32_t>> routes;
  for (const uint32_t seed : {10, 20, 30}) {
    Write(seed);
    RunLayer();
    const std::vector<float> want = Get(y_);
    routes.push_back(GetAs<int32_t>(spans_));
    Write(seed);
    ASSERT_EQ(cudaGraphLaunch(layer, device_->stream()), cudaSuccess);
    EXPECT_TRUE(SameBits(Get(y_), want, kHidden)) << seed;
    EXPECT_EQ(GetAs<int32_t>(spans_), routes.back());
  }
  EXPECT_NE(routes[0], routes[1]);
  EXPECT_NE(routes[1], routes[2]);
  cudaGraphExecDestroy(layer);
}

}  // namespace
}  // namespace switchyard::kernels
