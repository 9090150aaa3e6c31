#include "worker/parallel/exchange_sizes.h"

#include <fmt/format.h>

#include <limits>

namespace switchyard::worker {

absl::Status CheckSizes(const ParallelContext& context, const ExchangeSizes& sizes) {
  constexpr int64_t kMax = std::numeric_limits<int32_t>::max();
  const int64_t hidden = sizes.hidden_size, k = sizes.experts_per_token;
  const int64_t slice = sizes.max_slice_tokens;
  if (hidden >= 1 && hidden <= kMax && k >= 1 && k <= context.num_experts() && slice >= 1 &&
      slice <= kMax / context.world() / k - 1) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      fmt::format("expert exchange of {} tokens per rank with {} of {} experts each, hidden size "
                  "{}, over {} ranks: a size is out of range",
                  slice, k, context.num_experts(), hidden, context.world()));
}

}  // namespace switchyard::worker
