#include "coordinator/core/plan/expert_spread.h"

#include <algorithm>
#include <vector>

namespace switchyard::core {
namespace {

// Probability that none of `drawn` experts, drawn from `pool`, is among `held` of them.
double MissOf(int64_t pool, int64_t held, int64_t drawn) {
  double miss = 1;
  for (int64_t i = 0; i < drawn; ++i) {
    miss *= std::max<double>(0, double(pool - held - i)) / double(pool - i);
  }
  return miss;
}

// Walks over every way to choose `left` of the groups from `next` on; `held`: experts of the part
// in those chosen.
struct GroupChoices {
  const std::vector<int64_t>& held_of_group;
  int64_t pool, drawn;
  double miss = 0;
  int64_t choices = 0;

  void Walk(size_t next, int64_t left, int64_t held) {
    if (left == 0) {
      miss += MissOf(pool, held, drawn);
      ++choices;
      return;
    }
    for (size_t group = next; group + static_cast<size_t>(left) <= held_of_group.size(); ++group) {
      Walk(group + 1, left - 1, held + held_of_group[group]);
    }
  }
};

// Ways to choose k of n, or `most` if that is less.
int64_t Choices(int64_t n, int64_t k, int64_t most) {
  double ways = 1;
  for (int64_t i = 0; i < k; ++i) ways = ways * double(n - i) / double(i + 1);
  return ways < double(most) ? static_cast<int64_t>(ways + 0.5) : most;
}

}  // namespace

double ExpectedParts(const v1::MoeSpec& moe, int64_t parts) {
  constexpr int64_t kMostChoices = 1000;
  const int64_t experts = moe.num_routed_experts(), drawn = moe.experts_per_token();
  int64_t groups = std::max(1, moe.num_groups()), chosen = std::max(1, moe.top_groups());
  // Where groups are many, leaving them out changes little.
  if (chosen >= groups || Choices(groups, chosen, kMostChoices) == kMostChoices) {
    groups = chosen = 1;
  }
  const int64_t of_group = experts / groups;
  double expected = 0;
  for (int64_t part = 0; part < parts; ++part) {
    // Expert e is of part e * parts / experts.
    const int64_t begin = (part * experts + parts - 1) / parts;
    const int64_t end = ((part + 1) * experts + parts - 1) / parts;
    std::vector<int64_t> held(static_cast<size_t>(groups));
    for (int64_t expert = begin; expert < end; ++expert) {
      ++held[static_cast<size_t>(std::min(expert / of_group, groups - 1))];
    }
    GroupChoices walk{.held_of_group = held, .pool = of_group * chosen, .drawn = drawn};
    walk.Walk(0, chosen, 0);
    expected += 1 - walk.miss / double(walk.choices);
  }
  return expected;
}

}  // namespace switchyard::core
