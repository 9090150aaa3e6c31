#include "tests/kernels/reference/moe_reference.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace switchyard::kernels::reference {
namespace {

// Indices of the `count` largest, best first; of equals the lower index first.
std::vector<int32_t> Largest(const std::vector<float>& keys, int64_t count) {
  std::vector<int32_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int32_t a, int32_t b) { return keys[a] > keys[b]; });
  order.resize(static_cast<size_t>(count));
  return order;
}

}  // namespace

GateOutput Gate(const GateInput& input) {
  // Scores and keys are compared, so they are floats, as in every implementation.
  std::vector<float> scores, keys;
  double sum_of_all = 0;
  for (float logit : input.logits) sum_of_all += std::exp(double(logit));
  for (size_t e = 0; e < input.logits.size(); ++e) {
    scores.push_back(input.softmax ? float(std::exp(double(input.logits[e])) / sum_of_all)
                                   : 1.0f / (1.0f + std::exp(-input.logits[e])));
    keys.push_back(scores[e] + (input.softmax ? 0 : input.bias[e]));
  }
  if (input.num_groups > 1) {
    const size_t size = keys.size() / static_cast<size_t>(input.num_groups);
    std::vector<float> group_keys;
    for (size_t g = 0; g * size < keys.size(); ++g) {
      std::vector<float> group(keys.begin() + g * size, keys.begin() + (g + 1) * size);
      std::ranges::sort(group, std::greater<>());
      group_keys.push_back(input.softmax ? group[0] : group[0] + group[1]);
    }
    const std::vector<int32_t> kept = Largest(group_keys, input.top_groups);
    for (size_t e = 0; e < keys.size(); ++e) {
      if (std::ranges::count(kept, static_cast<int32_t>(e / size)) == 0) {
        keys[e] = -std::numeric_limits<float>::infinity();
      }
    }
  }
  GateOutput out;
  out.ids = Largest(keys, input.slots);
  std::ranges::sort(out.ids);
  for (int32_t id : out.ids) out.weights.push_back(scores[id]);
  const double sum = std::accumulate(out.weights.begin(), out.weights.end(), 0.0);
  for (double& weight : out.weights) {
    if (input.normalize) weight /= sum + 1e-20;
    weight *= input.scale;
  }
  return out;
}

}  // namespace switchyard::kernels::reference
