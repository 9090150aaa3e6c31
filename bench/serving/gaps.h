// Gaps between the tokens of requests that run: quiet, and while long prompts come.
#ifndef SWITCHYARD_BENCH_SERVING_GAPS_H_
#define SWITCHYARD_BENCH_SERVING_GAPS_H_

#include <cstdint>

#include "base/status.h"
#include "bench/serving/own_server.h"

namespace switchyard::bench {

// Quiet and busy in turns: a machine that is shared has a p99 that moves from second to second.
inline constexpr int kGapTurns = 3;
// A longer answer has longer steps. Gaps are compared with those of answers as long, in steps of so
// many tokens.
inline constexpr int kLengthStep = 50;

struct GapOptions {
  int running = 32;  // requests whose gaps are timed, as many as the throughput's streams
  int running_tokens = 1000;
  int arriving_tokens = 2000;  // of each prompt that comes meanwhile, the next once one is answered
  int vocabulary = 4000;       // prompts that come are token ids below
};

// Milliseconds, each the median of the turns. Tokens that come together, as those of drafts do,
// count as one.
struct GapFigures {
  double quiet_p50 = 0, quiet_p99 = 0, busy_p50 = 0, busy_p99 = 0;
  // The p99 of gaps over the turn's quiet median of answers as long.
  double quiet_by_length = 0, busy_by_length = 0;
  double num_prompts = 0, first_token = 0;  // of those that came
};

absl::StatusOr<GapFigures> MeasureGaps(const OwnServer& server, const GapOptions& options,
                                       uint64_t seed);

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_SERVING_GAPS_H_
