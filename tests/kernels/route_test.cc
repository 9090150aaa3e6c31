// Routing on a CPU: what kernels/args/moe.h promises, of one rank alone and of one among others.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kernels/route_checks.h"
#include "tests/kernels/row_ops_fixture.h"

namespace switchyard::kernels {
namespace {

TensorView Ints(const std::vector<int32_t>& values, std::initializer_list<int64_t> shape) {
  return TensorView(values.data(), DType::kI32, shape);
}

Routes Route(Ops& ops, const RouteCase& route, int32_t first_rows) {
  const auto sized = [](int64_t count) { return std::vector<int32_t>(static_cast<size_t>(count)); };
  const int64_t local = route.num_local(), own = route.own_tokens();
  const int64_t handed = int64_t{route.num_places()} * route.returned_slots();
  Routes routes{.spans = sized(2 * (local + 1)),
                .places = sized(route.max_rows() + 2),
                .returned = sized(handed),
                .row_of = sized(own * route.num_slots),
                .expert_rows = sized(local)};
  std::fill(routes.expert_rows.begin(), routes.expert_rows.end(), first_rows);
  ops.RouteTokens(
      {.ids = Ints(route.ids, {route.num_places(), route.num_slots}),
       .rank_of_expert = Ints(route.rank_of, {route.num_experts}),
       .local_index_of_expert = Ints(route.local_of, {route.num_experts}),
       .rank = route.rank,
       .num_ranks = route.num_ranks,
       .own_tokens = own,
       .slots = route.cache_slots,
       .returned_slots = route.returned_slots(),
       .spans = Ints(routes.spans, {local + 1, 2}),
       .places = Ints(routes.places, {std::ssize(routes.places)}),
       .returned = route.num_ranks == 1 ? TensorView() : Ints(routes.returned, {handed}),
       .row_of = Ints(routes.row_of, {own, route.num_slots}),
       .expert_rows = Ints(routes.expert_rows, {local})});
  return routes;
}

TEST(RouteTest, EveryTokenMeetsItsExpertsAndFindsTheirOutputs) {
  const auto ops = MakeOps(cpu::BestIsa());
  for (const RouteCase& route : RouteCases()) ExpectRoutes(route, Route(*ops, route, 5), 5);
}

TEST(RouteTest, PlacesWithoutATokenSayItAndKeepTheirRows) {
  Tensor<float> x({2, 3}), places_x({4, 3}, 7);
  Tensor<int32_t> ids({2, 2}), places_ids({4, 2}, 9);
  x.values = {1, 2, 3, 4, 5, 6};
  ids.values = {0, 4, 1, 2};
  MakeOps(cpu::BestIsa())
      ->PlaceTokens({.x = x.view(),
                     .ids = ids.view(),
                     .places_x = places_x.view(),
                     .places_ids = places_ids.view()});
  EXPECT_EQ(places_x.values, (std::vector<float>{1, 2, 3, 4, 5, 6, 7, 7, 7, 7, 7, 7}));
  EXPECT_EQ(places_ids.values, (std::vector<int32_t>{0, 4, 1, 2, -1, -1, -1, -1}));
}

TEST(RouteTest, PaddingHasNoExpert) {
  Tensor<float> x({3, 1}), places_x({4, 1}, 7);
  Tensor<int32_t> ids({3, 2}), places_ids({4, 2}, 9);
  x.values = {1, 2, 3};
  ids.values = {0, 4, 1, 2, 3, 5};
  const std::vector<int64_t> slots = {0, kNoSlot, 12};
  MakeOps(cpu::BestIsa())
      ->PlaceTokens({.x = x.view(),
                     .ids = ids.view(),
                     .places_x = places_x.view(),
                     .places_ids = places_ids.view(),
                     .slots = slots});
  EXPECT_EQ(places_x.values, (std::vector<float>{1, 2, 3, 7}));
  EXPECT_EQ(places_ids.values, (std::vector<int32_t>{0, 4, -1, -1, 3, 5, -1, -1}));
}

TEST(RouteTest, RowsThatAreNotSelectedKeepWhatTheyHold) {
  Tensor<float> x({3, 2}), y({3, 2}, 7);
  Tensor<int32_t> rows({3});
  x.values = {1, 2, 3, 4, 5, 6};
  rows.values = {2, -1, 0};
  MakeOps(cpu::BestIsa())->SelectRows({.x = x.view(), .rows = rows.view(), .y = y.view()});
  EXPECT_EQ(y.values, (std::vector<float>{5, 6, 7, 7, 1, 2}));
}

TEST(RouteDeathTest, IdsAndRowsThatCannotBeEndTheProgram) {
  const auto ops = MakeOps(cpu::BestIsa());
  const auto run = [&](const std::vector<int32_t>& ids) {
    RouteCase route = RandomRoute(4, 2, 1, 1, 1);
    route.ids = ids;
    Route(*ops, route, 0);
  };
  EXPECT_DEATH(run({0, 4}), "RouteTokens: ids");
  EXPECT_DEATH(run({2, 2}), "RouteTokens: ids");
  Tensor<float> x({3, 1}), y({1, 1});
  Tensor<int32_t> rows({1}, 3);
  EXPECT_DEATH(ops->SelectRows({.x = x.view(), .rows = rows.view(), .y = y.view()}),
               "expected below 3, got 3");
}

}  // namespace
}  // namespace switchyard::kernels
