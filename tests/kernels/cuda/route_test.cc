// Routing on a GPU: what kernels/args/moe.h promises, of one rank alone and of one among others.
#include <algorithm>

#include "kernels/cuda/moe.h"
#include "tests/kernels/cuda/cuda_fixture.h"
#include "tests/kernels/cuda/trap.h"
#include "tests/kernels/route_checks.h"

namespace switchyard::kernels {
namespace {

class CudaRouteTest : public CudaTest {
 protected:
  TensorView PutInts(std::initializer_list<int64_t> shape, const std::vector<int32_t>& values) {
    return Put(DType::kI32, shape, std::span<const int32_t>(values));
  }

  // Ids stand behind other values, as they travel behind rows.
  TensorView PutIds(const RouteCase& route) {
    const int64_t width = route.num_slots + 3;
    std::vector<int32_t> wide;
    for (int place = 0; place < route.num_places(); ++place) {
      const auto first = route.ids.begin() + place * route.num_slots;
      wide.insert(wide.end(), first, first + route.num_slots);
      wide.insert(wide.end(), 3, 12345);
    }
    return PutInts({route.num_places(), width}, wide).Cols(0, route.num_slots);
  }

  Routes Route(const RouteCase& route, int32_t first_rows) {
    const int64_t handed = int64_t{route.num_places()} * route.returned_slots();
    const TensorView spans = Make(DType::kI32, {route.num_local() + 1, 2});
    const TensorView places = Make(DType::kI32, {route.max_rows() + 2});
    const TensorView returned = Make(DType::kI32, {handed});
    const TensorView row_of = Make(DType::kI32, {route.own_tokens(), route.num_slots});
    const TensorView expert_rows =
        PutInts({route.num_local()},
                std::vector<int32_t>(static_cast<size_t>(route.num_local()), first_rows));
    cuda::RouteTokens(cuda_, {.ids = PutIds(route),
                              .rank_of_expert = PutInts({route.num_experts}, route.rank_of),
                              .local_index_of_expert = PutInts({route.num_experts}, route.local_of),
                              .rank = route.rank,
                              .num_ranks = route.num_ranks,
                              .own_tokens = route.own_tokens(),
                              .slots = route.cache_slots,
                              .returned_slots = route.returned_slots(),
                              .spans = spans,
                              .places = places,
                              .returned = route.num_ranks == 1 ? TensorView() : returned,
                              .row_of = row_of,
                              .expert_rows = expert_rows});
    return {.spans = GetAs<int32_t>(spans),
            .places = GetAs<int32_t>(places),
            .returned = GetAs<int32_t>(returned),
            .row_of = GetAs<int32_t>(row_of),
            .expert_rows = GetAs<int32_t>(expert_rows)};
  }
};

TEST_F(CudaRouteTest, EveryTokenMeetsItsExpertsAndFindsTheirOutputs) {
  for (const RouteCase& route : RouteCases()) {
    ExpectRoutes(route, Route(route, 5), 5);
  }
}

TEST_F(CudaRouteTest, PlacesWithoutATokenSayItAndKeepTheirRows) {
  for (const int64_t hidden : {8, 33}) {  // by 16 bytes, and by one
    const std::vector<float> x = RandomBf16(3 * hidden, 1);
    const std::vector<int32_t> ids = {0, 4, 1, 2, 3, 5};
    for (const int64_t tokens : {3, 2, 0}) {
      const TensorView places_x =
          PutBf16({5, hidden}, std::vector<float>(static_cast<size_t>(5 * hidden), 7));
      const TensorView places_ids = PutInts({5, 2}, std::vector<int32_t>(10, 9));
      cuda::PlaceTokens(cuda_, {.x = PutBf16({3, hidden}, x).Rows(0, tokens),
                                .ids = PutInts({3, 2}, ids).Rows(0, tokens),
                                .places_x = places_x,
                                .places_ids = places_ids});
      std::vector<float> want_x(static_cast<size_t>(5 * hidden), 7);
      std::vector<int32_t> want_ids(10, -1);
      std::copy_n(x.begin(), tokens * hidden, want_x.begin());
      std::copy_n(ids.begin(), tokens * 2, want_ids.begin());
      EXPECT_EQ(Get(places_x), want_x) << tokens;
      EXPECT_EQ(GetAs<int32_t>(places_ids), want_ids) << tokens;
    }
  }
}

TEST_F(CudaRouteTest, PaddingHasNoExpert) {
  const TensorView places_x = PutBf16({4, 1}, {7, 7, 7, 7});
  const TensorView places_ids = PutInts({4, 2}, std::vector<int32_t>(8, 9));
  const std::vector<int64_t> slots = {0, kNoSlot, 12};
  cuda::PlaceTokens(cuda_, {.x = PutBf16({3, 1}, {1, 2, 3}),
                            .ids = PutInts({3, 2}, {0, 4, 1, 2, 3, 5}),
                            .places_x = places_x,
                            .places_ids = places_ids,
                            .slots = slots});
  EXPECT_EQ(Get(places_x), (std::vector<float>{1, 2, 3, 7}));
  EXPECT_EQ(GetAs<int32_t>(places_ids), (std::vector<int32_t>{0, 4, -1, -1, 3, 5, -1, -1}));
}

TEST_F(CudaRouteTest, RowsThatAreNotSelectedKeepWhatTheyHold) {
  const TensorView y = PutF32({4, 1}, {7, 7, 7, 7});
  cuda::SelectRows(cuda_,
                   {.x = PutF32({3, 1}, {1, 2, 3}), .rows = PutInts({4}, {2, -1, 0, 2}), .y = y});
  EXPECT_EQ(Get(y), (std::vector<float>{3, 7, 1, 3}));
}

using CudaRouteDeathTest = CudaRouteTest;

TEST_F(CudaRouteDeathTest, IdsThatCannotBeEndTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");  // a forked process has no device
  const auto run = [&](const std::vector<int32_t>& ids) {
    RouteCase route = RandomRoute(4, 2, 1, 1, 1);
    route.ids = ids;
    Route(route, 0);
  };
  EXPECT_DEATH(run({0, 4}), TrapOf("RouteTokensKernel"));
  EXPECT_DEATH(run({-2, 1}), TrapOf("RouteTokensKernel"));
  EXPECT_DEATH(run({2, 2}), TrapOf("RouteTokensKernel"));
  EXPECT_DEATH(run({2, 1}), TrapOf("RouteTokensKernel"));
  EXPECT_DEATH(
      {
        cuda::SelectRows(cuda_, {.x = Make(DType::kF32, {3, 1}),
                                 .rows = PutInts({1}, {3}),
                                 .y = Make(DType::kF32, {1, 1})});
        device_->Synchronize();
      },
      TrapOf("SelectRowsKernel"));
}

}  // namespace
}  // namespace switchyard::kernels
