// What ranks send each other, laid out on a CPU: what kernels/args/moe.h promises.
#include <gtest/gtest.h>

#include "tests/kernels/dispatch_checks.h"
#include "tests/kernels/row_ops_fixture.h"

namespace switchyard::kernels {
namespace {

std::vector<int32_t> Filled(int64_t count, int32_t value) {
  return std::vector<int32_t>(static_cast<size_t>(count), value);
}

TensorView Ints(const std::vector<int32_t>& values, std::initializer_list<int64_t> shape) {
  return TensorView(values.data(), DType::kI32, shape);
}

Dispatch Send(Ops& ops, const RouteCase& route, int width) {
  const int64_t own = route.own_tokens();
  const int64_t rows = own * std::min(route.num_slots, route.num_ranks) + 2;
  Dispatch dispatch{.counts = Filled(2 * route.num_ranks, 9),
                    .tokens = Filled(rows, 9),
                    .experts = Filled(rows * width, 9),
                    .row_of = Filled(own * route.num_slots, 9)};
  ops.DispatchTokens({.ids = Ints(route.ids, {route.num_places(), route.num_slots})
                                 .Rows(route.rank * route.places_of_rank, own),
                      .rank_of_expert = Ints(route.rank_of, {route.num_experts}),
                      .local_index_of_expert = Ints(route.local_of, {route.num_experts}),
                      .counts = Ints(dispatch.counts, {route.num_ranks, 2}),
                      .tokens = Ints(dispatch.tokens, {rows}),
                      .experts = Ints(dispatch.experts, {rows, width}),
                      .row_of = Ints(dispatch.row_of, {own, route.num_slots})});
  return dispatch;
}

Received Receive(Ops& ops, const ReceiveCase& received, int32_t first_rows) {
  const int64_t local = received.num_local, rows = received.num_rows();
  Received result{.spans = Filled(2 * (local + 1), 9),
                  .sources = Filled(rows, 9),
                  .returned = Filled(rows, 9),
                  .expert_rows = Filled(local, first_rows)};
  ops.ReceiveTokens({.experts = Ints(received.experts, {received.num_received(), received.width}),
                     .own_tokens = received.own_tokens,
                     .spans = Ints(result.spans, {local + 1, 2}),
                     .sources = Ints(result.sources, {rows}),
                     .returned = Ints(result.returned, {rows}),
                     .expert_rows = Ints(result.expert_rows, {local})});
  return result;
}

TEST(DispatchTest, EachRankGetsATokenOnceWithItsExpertsThere) {
  const auto ops = MakeOps(cpu::BestIsa());
  for (const RouteCase& route : DispatchCases()) {
    const int width = std::max(route.returned_slots(), 1);
    ExpectDispatch(route, Send(*ops, route, width), width, 9);
  }
}

TEST(DispatchTest, ReceivedRowsMeetTheirExpertsAndGoBackInOrder) {
  const auto ops = MakeOps(cpu::BestIsa());
  for (const ReceiveCase& received : ReceiveCases()) {
    ExpectReceived(received, Receive(*ops, received, 5), 5);
  }
}

TEST(DispatchDeathTest, WhatCannotBeEndsTheProgram) {
  const auto ops = MakeOps(cpu::BestIsa());
  RouteCase route = RandomRoute(4, 2, 1, 1, 1);
  route.ids = {2, 2};
  EXPECT_DEATH(Send(*ops, route, 2), "DispatchTokens: ids");
  route.ids = {0, 4};
  EXPECT_DEATH(Send(*ops, route, 2), "DispatchTokens: ids");
  route.ids = {0, 1};
  EXPECT_DEATH(Send(*ops, route, 1), "DispatchTokens: experts of token 0");
  ReceiveCase received{.num_local = 2, .width = 2, .experts = {1, 0}};
  EXPECT_DEATH(Receive(*ops, received, 0), "ReceiveTokens: ids");
  received.experts = {0, 2};
  EXPECT_DEATH(Receive(*ops, received, 0), "ReceiveTokens: ids");
  received.experts = {-1, 1};  // counts one row more than there is
  EXPECT_DEATH(Receive(*ops, received, 0), "ReceiveTokens: sources");
}

}  // namespace
}  // namespace switchyard::kernels
