// What DispatchTokens and ReceiveTokens promise (kernels/args/moe.h), said in the obvious way about
// arrays of the host.
#ifndef SWITCHYARD_TESTS_KERNELS_DISPATCH_CHECKS_H_
#define SWITCHYARD_TESTS_KERNELS_DISPATCH_CHECKS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/kernels/route_checks.h"

namespace switchyard::kernels {

// Those of which every row is a token.
inline std::vector<RouteCase> DispatchCases() {
  std::vector<RouteCase> cases = RouteCases();
  std::erase_if(cases, [](const RouteCase& route) {
    const auto own = route.ids.begin() + route.rank * route.places_of_rank * route.num_slots;
    return !route.cache_slots.empty() ||
           std::count(own, own + route.own_tokens() * route.num_slots, -1) > 0;
  });
  return cases;
}

// What one rank's tokens become: `route` without places that have no token.
struct Dispatch {
  std::vector<int32_t> counts, tokens, experts, row_of;
};

// Rows behind the last hold `untouched` in `experts`.
inline void ExpectDispatch(const RouteCase& route, const Dispatch& got, int width,
                           int32_t untouched) {
  SCOPED_TRACE(route.Name());
  const int first = route.rank * route.places_of_rank;
  Dispatch want{.counts = std::vector<int32_t>(static_cast<size_t>(2 * route.num_ranks)),
                .row_of = std::vector<int32_t>(got.row_of.size())};
  int32_t output = 0;
  for (int rank = 0; rank < route.num_ranks; ++rank) {
    for (int t = 0; t < route.own_tokens(); ++t) {
      const std::vector<int32_t> ids = route.SlotsOf(first + t);
      std::vector<int32_t> list;
      for (size_t j = 0; j < ids.size(); ++j) {
        const auto id = static_cast<size_t>(ids[j]);
        if (route.rank_of[id] != rank) continue;
        list.push_back(route.local_of[id]);
        want.row_of[static_cast<size_t>(t) * ids.size() + j] = output++;
      }
      if (list.empty()) continue;
      want.counts[static_cast<size_t>(2 * rank)] += 1;
      want.counts[static_cast<size_t>(2 * rank + 1)] += static_cast<int32_t>(list.size());
      list.resize(static_cast<size_t>(width), -1);
      want.tokens.push_back(t);
      want.experts.insert(want.experts.end(), list.begin(), list.end());
    }
  }
  want.tokens.resize(got.tokens.size(), -1);
  want.experts.resize(got.experts.size(), untouched);
  EXPECT_EQ(got.counts, want.counts);
  EXPECT_EQ(got.tokens, want.tokens);
  EXPECT_EQ(got.experts, want.experts);
  EXPECT_EQ(got.row_of, want.row_of);
}

// Rows that came, by their lists of local experts.
struct ReceiveCase {
  int num_local = 1;
  int width = 1;
  int own_tokens = 0;
  std::vector<int32_t> experts;  // [rows, width]

  int num_received() const { return static_cast<int>(std::ssize(experts)) / width; }
  std::vector<int32_t> ListOf(int row) const {
    const auto begin = experts.begin() + row * width;
    return {begin, std::find(begin, begin + width, -1)};
  }
  int num_rows() const {
    return static_cast<int>(std::ssize(experts) - std::count(experts.begin(), experts.end(), -1));
  }
};

inline ReceiveCase RandomReceive(int num_local, int width, int num_received, int own_tokens,
                                 uint32_t seed) {
  std::mt19937 random(seed);
  ReceiveCase received{.num_local = num_local, .width = width, .own_tokens = own_tokens};
  for (int row = 0; row < num_received; ++row) {
    std::vector<int32_t> list(static_cast<size_t>(num_local));
    std::iota(list.begin(), list.end(), 0);
    std::shuffle(list.begin(), list.end(), random);
    const auto most = static_cast<unsigned>(std::min(num_local, width));
    list.resize(1 + random() % most);
    std::sort(list.begin(), list.end());
    list.resize(static_cast<size_t>(width), -1);
    received.experts.insert(received.experts.end(), list.begin(), list.end());
  }
  return received;
}

inline std::vector<ReceiveCase> ReceiveCases() {
  return {RandomReceive(1, 1, 1, 0, 1),
          RandomReceive(1, 1, 1, 3, 2),
          RandomReceive(4, 3, 0, 5, 3),
          RandomReceive(4, 3, 33, 0, 4),
          RandomReceive(8, 8, 700, 9, 5),
          RandomReceive(64, 8, 1300, 40, 6),
          RandomReceive(2, 4, 65, 1, 7),
          RandomReceive(4, 2, 2100, 3, 8),
          ReceiveCase{.num_local = 0, .width = 2, .own_tokens = 4}};
}

struct Received {
  std::vector<int32_t> spans, sources, returned, expert_rows;
};

// `first_rows`: what expert_rows held before.
inline void ExpectReceived(const ReceiveCase& received, const Received& got, int32_t first_rows) {
  SCOPED_TRACE(std::to_string(received.num_received()) + " rows to " +
               std::to_string(received.num_local) + " experts");
  Received want;
  std::vector<std::vector<int32_t>> rows_of(static_cast<size_t>(received.num_local));
  for (int row = 0; row < received.num_received(); ++row) {
    for (const int32_t expert : received.ListOf(row)) {
      rows_of[static_cast<size_t>(expert)].push_back(row);
    }
  }
  auto begin = static_cast<int32_t>(received.own_tokens);
  std::vector<int32_t> next;
  for (const std::vector<int32_t>& rows : rows_of) {
    const auto count = static_cast<int32_t>(rows.size());
    next.push_back(begin - static_cast<int32_t>(received.own_tokens));
    want.spans.insert(want.spans.end(), {begin, count});
    want.sources.insert(want.sources.end(), rows.begin(), rows.end());
    want.expert_rows.push_back(first_rows + count);
    begin += count;
  }
  want.spans.insert(want.spans.end(), {0, static_cast<int32_t>(received.own_tokens)});
  for (int row = 0; row < received.num_received(); ++row) {
    for (const int32_t expert : received.ListOf(row)) {
      want.returned.push_back(next[static_cast<size_t>(expert)]++);
    }
  }
  EXPECT_EQ(got.spans, want.spans);
  EXPECT_EQ(got.sources, want.sources);
  EXPECT_EQ(got.returned, want.returned);
  EXPECT_EQ(got.expert_rows, want.expert_rows);
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_KERNELS_DISPATCH_CHECKS_H_
