#include "coordinator/core/plan/result_size.h"

namespace switchyard::core {
namespace {

// As protobuf spells them, with the longest numbers.
constexpr int64_t kLikeliestBytes = 2 + 6 + 5;         // a TokenLogprob
constexpr int64_t kRowBytes = 4 + 11 + 6 + 6 + 5 + 5;  // a SampledToken without its lists' values
constexpr int64_t kRestBytes = kMiB;                   // times, and rows of all experts

}  // namespace

int64_t MaxResultBytes(int64_t max_running, int64_t max_likeliest) {
  // One for each request, and as many of drafts and of prompts (GroupSchedule).
  const int64_t max_rows = 2 * max_running;
  return max_rows * (kRowBytes + max_likeliest * kLikeliestBytes) + kFullLogprobBytes + kRestBytes;
}

}  // namespace switchyard::core
