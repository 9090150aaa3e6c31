#include "bench/serving/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace switchyard::bench {
namespace {

// The smallest value that at least `share` of all do not exceed.
double Percentile(const std::vector<double>& sorted, double share) {
  const auto rank = static_cast<size_t>(std::ceil(share * double(sorted.size())));
  return sorted[std::max<size_t>(rank, 1) - 1];
}

Distribution Distribute(std::vector<double> seconds) {
  if (seconds.empty()) return {};
  std::sort(seconds.begin(), seconds.end());
  const double sum = std::accumulate(seconds.begin(), seconds.end(), 0.0);
  return {.mean = 1e3 * sum / double(seconds.size()),
          .p50 = 1e3 * Percentile(seconds, 0.5),
          .p90 = 1e3 * Percentile(seconds, 0.9),
          .p99 = 1e3 * Percentile(seconds, 0.99)};
}

Json ToJson(const Distribution& distribution) {
  return {{"mean", distribution.mean},
          {"p50", distribution.p50},
          {"p90", distribution.p90},
          {"p99", distribution.p99}};
}

double Rate(double count, double seconds) { return seconds > 0 ? count / seconds : 0; }

}  // namespace

Report MakeReport(const LoadResult& result) {
  Report report{.wall_s = result.wall};
  std::vector<double> first, per_token, gaps, total;
  for (const RequestRecord& request : result.requests) {
    report.worst_start_delay_s = std::max(report.worst_start_delay_s, request.start_delay);
    if (!request.error.empty()) {
      ++report.errors[request.error];
      continue;
    }
    ++report.num_completed;
    report.prompt_tokens += request.prompt_tokens;
    report.output_tokens += request.output_tokens;
    total.push_back(request.total);
    if (request.num_texts == 0) continue;
    first.push_back(request.first_token);
    gaps.insert(gaps.end(), request.gaps.begin(), request.gaps.end());
    if (request.output_tokens > 1) {
      per_token.push_back((request.last_token - request.first_token) /
                          double(request.output_tokens - 1));
    }
  }
  report.first_token = Distribute(std::move(first));
  report.per_output_token = Distribute(std::move(per_token));
  report.inter_token = Distribute(std::move(gaps));
  report.request = Distribute(std::move(total));
  return report;
}

absl::StatusOr<Report> Finished(const LoadResult& result) {
  Report report = MakeReport(result);
  if (!report.errors.empty()) return absl::UnavailableError(report.errors.begin()->first);
  return report;
}

std::string ToTable(const Report& report) {
  int64_t num_errors = 0;
  for (const auto& [error, count] : report.errors) num_errors += count;
  const double wall = report.wall_s;
  std::string text = fmt::format(
      "completed {}, failed {}, in {:.2f} s\n"
      "prompt tokens {}, output tokens {}\n"
      "{:.2f} requests/s, {:.1f} output tokens/s, {:.1f} tokens/s in total\n\n"
      "{:<28}{:>10}{:>10}{:>10}{:>10}\n",
      report.num_completed, num_errors, wall, report.prompt_tokens, report.output_tokens,
      Rate(double(report.num_completed), wall), Rate(double(report.output_tokens), wall),
      Rate(double(report.prompt_tokens + report.output_tokens), wall), "milliseconds", "mean",
      "p50", "p90", "p99");
  const auto row = [&](const char* name, const Distribution& d) {
    text += fmt::format("{:<28}{:>10.2f}{:>10.2f}{:>10.2f}{:>10.2f}\n", name, d.mean, d.p50, d.p90,
                        d.p99);
  };
  row("time to first token", report.first_token);
  row("time per output token", report.per_output_token);
  row("inter-token latency", report.inter_token);
  row("whole request", report.request);
  if (report.worst_start_delay_s > 0.01) {
    text += fmt::format("\nrequests started up to {:.2f} s late: raise --concurrency\n",
                        report.worst_start_delay_s);
  }
  if (!report.errors.empty()) text += "\nerrors\n";
  for (const auto& [error, count] : report.errors) text += fmt::format("{:>8}  {}\n", count, error);
  return text;
}

Json ToJson(const Report& report) {
  return {{"completed", report.num_completed},
          {"errors", report.errors},
          {"wall_s", report.wall_s},
          {"prompt_tokens", report.prompt_tokens},
          {"output_tokens", report.output_tokens},
          {"requests_per_s", Rate(double(report.num_completed), report.wall_s)},
          {"output_tokens_per_s", Rate(double(report.output_tokens), report.wall_s)},
          {"ttft_ms", ToJson(report.first_token)},
          {"tpot_ms", ToJson(report.per_output_token)},
          {"inter_token_ms", ToJson(report.inter_token)},
          {"request_ms", ToJson(report.request)},
          {"worst_start_delay_s", report.worst_start_delay_s}};
}

}  // namespace switchyard::bench
