// What RouteTokens promises (kernels/args/moe.h), said in the obvious way about arrays of the host.
#ifndef SWITCHYARD_TESTS_KERNELS_ROUTE_CHECKS_H_
#define SWITCHYARD_TESTS_KERNELS_ROUTE_CHECKS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "kernels/args/padding.h"

namespace switchyard::kernels {

// All ranks' tokens, and one rank that looks at them.
struct RouteCase {
  int num_experts = 1;
  int num_slots = 1;
  int num_ranks = 1;
  int places_of_rank = 1;
  int rank = 0;
  std::vector<int> tokens;           // [ranks]
  std::vector<int32_t> rank_of;      // [experts]
  std::vector<int32_t> local_of;     // [experts]
  std::vector<int32_t> ids;          // [ranks * places, slots]
  std::vector<int64_t> cache_slots;  // [own tokens], or empty

  int num_places() const { return num_ranks * places_of_rank; }
  int own_tokens() const { return tokens[static_cast<size_t>(rank)]; }
  int num_local() const {
    return static_cast<int>(std::count(rank_of.begin(), rank_of.end(), rank));
  }
  // The most slots of a token on one rank.
  int returned_slots() const {
    int most = 0;
    for (int r = 0; r < num_ranks; ++r) {
      most = std::max<int>(most, static_cast<int>(std::count(rank_of.begin(), rank_of.end(), r)));
    }
    return std::min(most, num_slots);
  }
  int max_rows() const { return own_tokens() + num_places() * std::min(num_slots, num_local()); }
  // The slots of a place; none without a token.
  std::vector<int32_t> SlotsOf(int place) const {
    if (ids[static_cast<size_t>(place * num_slots)] == -1) return {};
    if (!cache_slots.empty() && cache_slots[static_cast<size_t>(place)] == kNoSlot) return {};
    return {ids.begin() + place * num_slots, ids.begin() + (place + 1) * num_slots};
  }
  std::string Name() const {
    return std::to_string(num_experts) + " experts, " + std::to_string(num_slots) +
           " slots, rank " + std::to_string(rank) + " of " + std::to_string(num_ranks) + ", " +
           std::to_string(places_of_rank) + " places, " + std::to_string(own_tokens()) + " tokens";
  }
};

// Experts lie anywhere; on one rank alone every place has a token.
inline RouteCase RandomRoute(int num_experts, int num_slots, int num_ranks, int places,
                             uint32_t seed) {
  std::mt19937 random(seed);
  RouteCase route{.num_experts = num_experts,
                  .num_slots = num_slots,
                  .num_ranks = num_ranks,
                  .places_of_rank = places,
                  .rank = static_cast<int>(random() % static_cast<unsigned>(num_ranks))};
  std::vector<int32_t> next(static_cast<size_t>(num_ranks));
  for (int e = 0; e < num_experts; ++e) {
    const auto rank = random() % static_cast<unsigned>(num_ranks);
    route.rank_of.push_back(static_cast<int32_t>(rank));
    route.local_of.push_back(next[rank]++);
  }
  for (int r = 0; r < num_ranks; ++r) {
    route.tokens.push_back(
        num_ranks == 1 ? places : static_cast<int>(random() % (static_cast<unsigned>(places) + 1)));
    for (int s = 0; s < places; ++s) {
      std::vector<int32_t> ids(static_cast<size_t>(num_experts));
      std::iota(ids.begin(), ids.end(), 0);
      std::shuffle(ids.begin(), ids.end(), random);
      ids.resize(static_cast<size_t>(num_slots));
      std::sort(ids.begin(), ids.end());
      if (s >= route.tokens.back()) std::fill(ids.begin(), ids.end(), -1);
      route.ids.insert(route.ids.end(), ids.begin(), ids.end());
    }
  }
  return route;
}

// Some of this rank's tokens are padding, all of them where `every` is 1.
inline RouteCase PaddedRoute(RouteCase route, int every) {
  const int first = route.rank * route.places_of_rank;
  for (int t = 0; t < route.own_tokens(); ++t) {
    const bool is_padding = t % every == every - 1;
    if (route.num_ranks == 1) route.cache_slots.push_back(is_padding ? kNoSlot : t);
    if (route.num_ranks == 1 || !is_padding) continue;
    std::fill_n(route.ids.begin() + (first + t) * route.num_slots, route.num_slots, -1);
  }
  return route;
}

// From one token to many of many ranks, whole walks of a block and more.
inline std::vector<RouteCase> RouteCases() {
  return {RandomRoute(1, 1, 1, 1, 1),
          RandomRoute(8, 3, 1, 5, 2),
          RandomRoute(8, 8, 1, 33, 3),
          RandomRoute(64, 8, 1, 0, 4),
          RandomRoute(40, 4, 1, 1100, 5),
          RandomRoute(8, 3, 2, 4, 6),
          RandomRoute(6, 6, 3, 7, 7),
          RandomRoute(16, 4, 4, 16, 8),
          RandomRoute(5, 2, 8, 3, 9),
          RandomRoute(64, 8, 4, 300, 10),
          RandomRoute(12, 5, 2, 40, 11),
          RandomRoute(16, 2, 1, 2100, 16),
          RandomRoute(1024, 64, 1, 40, 17),
          RandomRoute(48, 40, 3, 40, 18),
          RandomRoute(288, 8, 144, 3, 19),
          PaddedRoute(RandomRoute(8, 3, 1, 5, 12), 2),
          PaddedRoute(RandomRoute(8, 3, 1, 16, 13), 1),
          PaddedRoute(RandomRoute(64, 8, 1, 200, 14), 3),
          PaddedRoute(RandomRoute(16, 4, 4, 16, 15), 2)};
}

struct Routes {
  std::vector<int32_t> spans, places, returned, row_of, expert_rows;
};

// `first_rows`: what expert_rows held before.
inline void ExpectRoutes(const RouteCase& route, const Routes& got, int32_t first_rows) {
  SCOPED_TRACE(route.Name());
  const int num_local = route.num_local(), own = route.own_tokens();
  const auto row_in = [&](int32_t row, int place, int32_t expert) {
    const int32_t* const span =
        &got.spans[static_cast<size_t>(2 * route.local_of[static_cast<size_t>(expert)])];
    return row >= span[0] && row < span[0] + span[1] &&
           got.places[static_cast<size_t>(row)] == place;
  };
  EXPECT_EQ(got.spans[static_cast<size_t>(2 * num_local)], 0);
  EXPECT_EQ(got.spans[static_cast<size_t>(2 * num_local + 1)], own);
  for (int t = 0; t < own; ++t) {
    EXPECT_EQ(got.places[static_cast<size_t>(t)], route.rank * route.places_of_rank + t);
  }
  int32_t begin = own;
  for (int e = 0; e < route.num_experts; ++e) {
    if (route.rank_of[static_cast<size_t>(e)] != route.rank) continue;
    const auto local = static_cast<size_t>(route.local_of[static_cast<size_t>(e)]);
    std::vector<int32_t> want;
    for (int place = 0; place < route.num_places(); ++place) {
      const std::vector<int32_t> ids = route.SlotsOf(place);
      if (std::count(ids.begin(), ids.end(), e) > 0) want.push_back(place);
    }
    ASSERT_EQ(got.spans[2 * local], begin) << "expert " << e;
    ASSERT_EQ(got.spans[2 * local + 1], std::ssize(want)) << "expert " << e;
    EXPECT_EQ(got.expert_rows[local], first_rows + std::ssize(want)) << "expert " << e;
    EXPECT_TRUE(std::equal(want.begin(), want.end(), got.places.begin() + begin)) << "expert " << e;
    begin += static_cast<int32_t>(want.size());
  }
  for (size_t i = static_cast<size_t>(begin); i < got.places.size(); ++i) {
    EXPECT_EQ(got.places[i], -1) << "behind the last row";
  }
  const int handed = route.returned_slots();
  for (int place = 0; route.num_ranks > 1 && place < route.num_places(); ++place) {
    int index = place * handed;
    for (const int32_t id : route.SlotsOf(place)) {
      if (route.rank_of[static_cast<size_t>(id)] != route.rank) continue;
      EXPECT_TRUE(row_in(got.returned[static_cast<size_t>(index++)], place, id))
          << place << ' ' << id;
    }
    for (; index < (place + 1) * handed; ++index) {
      EXPECT_EQ(got.returned[static_cast<size_t>(index)], -1) << "nothing to hand back";
    }
  }
  for (int t = 0; t < own; ++t) {
    const int place = route.rank * route.places_of_rank + t;
    const std::vector<int32_t> ids = route.SlotsOf(place);
    for (int j = 0; ids.empty() && j < route.num_slots; ++j) {
      EXPECT_EQ(got.row_of[static_cast<size_t>(t * route.num_slots + j)], -1) << t << ' ' << j;
    }
    std::vector<int32_t> seen(static_cast<size_t>(route.num_ranks));
    for (size_t j = 0; j < ids.size(); ++j) {
      const int32_t row = got.row_of[static_cast<size_t>(t) * ids.size() + j];
      if (route.num_ranks == 1) {
        EXPECT_TRUE(row_in(row, place, ids[j])) << t << ' ' << j;
        continue;
      }
      const int32_t rank = route.rank_of[static_cast<size_t>(ids[j])];
      EXPECT_EQ(row, (rank * route.places_of_rank + t) * handed + seen[static_cast<size_t>(rank)]++)
          << t << ' ' << j;
    }
  }
}

}  // namespace switchyard::kernels

#endif  // SWITCHYARD_TESTS_KERNELS_ROUTE_CHECKS_H_
