#include "bench/serving/gaps.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "base/random.h"
#include "bench/serving/load.h"
#include "bench/serving/prompts.h"
#include "bench/serving/report.h"

namespace switchyard::bench {
namespace {

// Seconds. What comes sooner came in the same step.
constexpr double kTogether = 1e-4;

// By length: one vector for each kLengthStep tokens of the answers. Milliseconds.
using GapsByLength = std::vector<std::vector<double>>;

double Percentile(std::vector<double> values, double share) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1, static_cast<size_t>(share * double(values.size())))];
}

double Percentile(const GapsByLength& gaps, double share) {
  std::vector<double> all;
  for (const std::vector<double>& some : gaps) all.insert(all.end(), some.begin(), some.end());
  return Percentile(std::move(all), share);
}

// REQUIRES: as many lengths in both.
double P99OverMedians(const GapsByLength& gaps, const GapsByLength& quiet) {
  std::vector<double> ratios;
  for (size_t i = 0; i < gaps.size(); ++i) {
    const double median = Percentile(quiet[i], 0.5);
    if (median == 0) continue;
    for (const double gap : gaps[i]) ratios.push_back(gap / median);
  }
  return Percentile(std::move(ratios), 0.99);
}

// Log probabilities are asked for because text may wait for the rest of a character.
absl::StatusOr<GapsByLength> Gaps(const OwnServer& server, const GapOptions& options,
                                  uint64_t seed) {
  const auto body = [&](int index) {
    Json body =
        CompletionBody(RandomWords(seed, static_cast<uint64_t>(index), 20), options.running_tokens);
    body["logprobs"] = 0;
    return body;
  };
  const LoadResult result = RunLoad({.address = server.address(),
                                     .path = "/v1/completions",
                                     .num_requests = options.running,
                                     .concurrency = options.running,
                                     .body = body});
  SY_RETURN_IF_ERROR(Finished(result).status());
  GapsByLength gaps(static_cast<size_t>(options.running_tokens / kLengthStep) + 1);
  for (const RequestRecord& request : result.requests) {
    for (size_t i = 0; i < request.gaps.size(); ++i) {
      const size_t length = std::min(i / kLengthStep, gaps.size() - 1);
      if (request.gaps[i] > kTogether) gaps[length].push_back(1e3 * request.gaps[i]);
    }
  }
  return gaps;
}

struct Arrivals {
  double num_prompts = 0;
  double first_token = 0;
};

absl::StatusOr<GapsByLength> GapsAmongArrivals(const OwnServer& server, const GapOptions& options,
                                               uint64_t seed, Arrivals* arrivals) {
  std::atomic<bool> stop{false};
  LoadResult long_ones;
  std::thread arriving([&] {
    const auto body = [&](int index) {
      Json prompt = Json::array();
      for (int i = 0; i < options.arriving_tokens; ++i) {
        const uint64_t bits = RandomBits(seed + static_cast<uint64_t>(index), uint64_t(i));
        prompt.push_back(3 + bits % static_cast<uint64_t>(options.vocabulary - 3));
      }
      return CompletionBody(std::move(prompt), /*max_tokens=*/2);
    };
    long_ones = RunLoad({.address = server.address(),
                         .path = "/v1/completions",
                         .num_requests = 100'000,
                         .concurrency = 1,
                         .body = body,
                         .stop = &stop});
  });
  const absl::StatusOr<GapsByLength> gaps = Gaps(server, options, seed);
  stop = true;
  arriving.join();
  long_ones.requests.erase(
      std::remove_if(long_ones.requests.begin(), long_ones.requests.end(),
                     [](const RequestRecord& request) { return request.total == 0; }),
      long_ones.requests.end());
  SY_ASSIGN_OR_RETURN(const Report report, Finished(long_ones));
  *arrivals = {.num_prompts = double(report.num_completed), .first_token = report.first_token.p50};
  return gaps;
}

absl::StatusOr<GapFigures> OneTurn(const OwnServer& server, const GapOptions& options,
                                   uint64_t seed) {
  SY_ASSIGN_OR_RETURN(const GapsByLength quiet, Gaps(server, options, seed + 2));
  Arrivals arrivals;
  SY_ASSIGN_OR_RETURN(const GapsByLength busy,
                      GapsAmongArrivals(server, options, seed + 3, &arrivals));
  return GapFigures{.quiet_p50 = Percentile(quiet, 0.5),
                    .quiet_p99 = Percentile(quiet, 0.99),
                    .busy_p50 = Percentile(busy, 0.5),
                    .busy_p99 = Percentile(busy, 0.99),
                    .quiet_by_length = P99OverMedians(quiet, quiet),
                    .busy_by_length = P99OverMedians(busy, quiet),
                    .num_prompts = arrivals.num_prompts,
                    .first_token = arrivals.first_token};
}

}  // namespace

absl::StatusOr<GapFigures> MeasureGaps(const OwnServer& server, const GapOptions& options,
                                       uint64_t seed) {
  GapOptions one = options;
  one.running = 1;
  SY_RETURN_IF_ERROR(Gaps(server, one, seed + 1).status());  // warm
  std::vector<GapFigures> turns;
  for (int turn = 0; turn < kGapTurns; ++turn, seed += 100'000) {
    SY_ASSIGN_OR_RETURN(turns.emplace_back(), OneTurn(server, options, seed));
  }
  GapFigures figures;
  for (double GapFigures::*figure :
       {&GapFigures::quiet_p50, &GapFigures::quiet_p99, &GapFigures::busy_p50,
        &GapFigures::busy_p99, &GapFigures::quiet_by_length, &GapFigures::busy_by_length,
        &GapFigures::num_prompts, &GapFigures::first_token}) {
    std::vector<double> values;
    for (const GapFigures& turn : turns) values.push_back(turn.*figure);
    figures.*figure = Percentile(std::move(values), 0.5);
  }
  return figures;
}

}  // namespace switchyard::bench
