// What ranks send each other, laid out on a GPU: what kernels/args/moe.h promises.
#include <algorithm>

#include "kernels/cuda/moe.h"
#include "tests/kernels/cuda/cuda_fixture.h"
#include "tests/kernels/cuda/trap.h"
#include "tests/kernels/dispatch_checks.h"

namespace switchyard::kernels {
namespace {

class CudaDispatchTest : public CudaTest {
 protected:
  // Lists stand behind other values, as they travel behind rows.
  static constexpr int64_t kBefore = 3;

  TensorView PutInts(std::initializer_list<int64_t> shape, const std::vector<int32_t>& values) {
    return Put(DType::kI32, shape, std::span<const int32_t>(values));
  }
  TensorView Filled(std::initializer_list<int64_t> shape, int64_t count, int32_t value) {
    return PutInts(shape, std::vector<int32_t>(static_cast<size_t>(count), value));
  }
  TensorView PutBehind(const std::vector<int32_t>& values, int64_t rows, int64_t width) {
    std::vector<int32_t> wide;
    for (int64_t row = 0; row < rows; ++row) {
      wide.insert(wide.end(), kBefore, 12345);
      wide.insert(wide.end(), values.begin() + row * width, values.begin() + (row + 1) * width);
    }
    return PutInts({rows, kBefore + width}, wide).Cols(kBefore, width);
  }
  std::vector<int32_t> GetBehind(const TensorView& wide, int64_t width) {
    const std::vector<int32_t> all = GetAs<int32_t>(wide);
    std::vector<int32_t> values;
    for (size_t i = 0; i < all.size(); ++i) {
      if (static_cast<int64_t>(i) % (kBefore + width) >= kBefore) values.push_back(all[i]);
    }
    return values;
  }

  Dispatch Send(const RouteCase& route, int width) {
    const int64_t own = route.own_tokens(), first = route.rank * route.places_of_rank;
    const int64_t rows = own * std::min(route.num_slots, route.num_ranks) + 2;
    const TensorView ids =
        PutBehind(route.ids, route.num_places(), route.num_slots).Rows(first, own);
    const TensorView counts = Filled({route.num_ranks, 2}, 2 * route.num_ranks, 9);
    const TensorView tokens = Filled({rows}, rows, 9);
    const TensorView experts = Filled({rows, kBefore + width}, rows * (kBefore + width), 9);
    const TensorView row_of = Filled({own, route.num_slots}, own * route.num_slots, 9);
    cuda::DispatchTokens(cuda_,
                         {.ids = ids,
                          .rank_of_expert = PutInts({route.num_experts}, route.rank_of),
                          .local_index_of_expert = PutInts({route.num_experts}, route.local_of),
                          .counts = counts,
                          .tokens = tokens,
                          .experts = experts.Cols(kBefore, width),
                          .row_of = row_of});
    return {.counts = GetAs<int32_t>(counts),
            .tokens = GetAs<int32_t>(tokens),
            .experts = GetBehind(experts, width),
            .row_of = GetAs<int32_t>(row_of)};
  }

  Received Receive(const ReceiveCase& received, int32_t first_rows) {
    const int64_t local = received.num_local, rows = received.num_rows();
    const TensorView spans = Filled({local + 1, 2}, 2 * (local + 1), 9);
    const TensorView sources = Filled({rows}, rows, 9), returned = Filled({rows}, rows, 9);
    const TensorView expert_rows = Filled({local}, local, first_rows);
    cuda::ReceiveTokens(
        cuda_, {.experts = PutBehind(received.experts, received.num_received(), received.width),
                .own_tokens = received.own_tokens,
                .spans = spans,
                .sources = sources,
                .returned = returned,
                .expert_rows = expert_rows});
    return {.spans = GetAs<int32_t>(spans),
            .sources = GetAs<int32_t>(sources),
            .returned = GetAs<int32_t>(returned),
            .expert_rows = GetAs<int32_t>(expert_rows)};
  }
};

TEST_F(CudaDispatchTest, EachRankGetsATokenOnceWithItsExpertsThere) {
  for (const RouteCase& route : DispatchCases()) {
    const int width = std::max(route.returned_slots(), 1);
    ExpectDispatch(route, Send(route, width), width, 9);
  }
}

TEST_F(CudaDispatchTest, ReceivedRowsMeetTheirExpertsAndGoBackInOrder) {
  for (const ReceiveCase& received : ReceiveCases()) {
    ExpectReceived(received, Receive(received, 5), 5);
  }
}

using CudaDispatchDeathTest = CudaDispatchTest;

TEST_F(CudaDispatchDeathTest, WhatCannotBeEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a forked process has no device
  RouteCase route = RandomRoute(4, 2, 1, 1, 1);
  for (const std::vector<int32_t>& ids : {std::vector<int32_t>{2, 2}, {0, 4}, {-2, 1}}) {
    route.ids = ids;
    EXPECT_DEATH(Send(route, 2), TrapOf("DispatchTokensKernel"));
  }
  route.ids = {0, 1};
  EXPECT_DEATH(Send(route, 1), TrapOf("DispatchTokensKernel"));
  ReceiveCase received{.num_local = 2, .width = 2, .experts = {1, 0}};
  for (const std::vector<int32_t>& lists : {std::vector<int32_t>{1, 0}, {0, 2}, {-1, 1}}) {
    received.experts = lists;
    EXPECT_DEATH(Receive(received, 0), TrapOf("ReceiveTokensKernel"));
  }
}

}  // namespace
}  // namespace switchyard::kernels
