#include "tests/kernels/reference/attention_reference.h"

#include <algorithm>
#include <cmath>

#include "kernels/dtype.h"

namespace switchyard::kernels::reference {

AttentionOutput Attention(const AttentionQuery& query) {
  const auto read = [&](float x) -> double { return query.bf16 ? ToFloat(ToBf16(x)) : x; };

  std::vector<double> scores;
  for (int64_t u = query.begin; u <= query.position; ++u) {
    const std::span<const float> key = query.key(u);
    double dot = 0;
    for (size_t i = 0; i < query.q.size(); ++i) dot += read(query.q[i]) * read(key[i]);
    scores.push_back(query.scale * dot);
  }
  double highest = *std::max_element(scores.begin(), scores.end());
  if (query.sink) highest = std::max(highest, *query.sink);
  double total = query.sink ? std::exp(*query.sink - highest) : 0;
  for (double score : scores) total += std::exp(score - highest);

  const size_t width = query.value(query.begin).size();
  AttentionOutput out = {std::vector<double>(width, 0.0), std::vector<double>(width, 0.0)};
  for (int64_t u = query.begin; u <= query.position; ++u) {
    const double p = std::exp(scores[static_cast<size_t>(u - query.begin)] - highest) / total;
    const std::span<const float> value = query.value(u);
    for (size_t i = 0; i < width; ++i) {
      out.value[i] += p * read(value[i]);
      out.magnitude[i] += p * std::abs(read(value[i]));
    }
  }
  return out;
}

}  // namespace switchyard::kernels::reference
