// Records of a load -> the figures that people compare servers by.
#ifndef SWITCHYARD_BENCH_SERVING_REPORT_H_
#define SWITCHYARD_BENCH_SERVING_REPORT_H_

#include <map>
#include <string>

#include "base/json.h"
#include "base/status.h"
#include "bench/serving/load.h"

namespace switchyard::bench {

// Milliseconds.
struct Distribution {
  double mean = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
};

struct Report {
  int64_t num_completed = 0;
  std::map<std::string, int64_t> errors;  // by what the server or the network said
  double wall_s = 0;
  int64_t prompt_tokens = 0;  // of completed requests
  int64_t output_tokens = 0;
  Distribution first_token;  // TTFT: from sending to the first text
  Distribution
      per_output_token;      // TPOT: of one request, first to last text over its tokens but one
  Distribution inter_token;  // between two texts of one answer, over all answers
  Distribution request;      // from sending to the end
  double worst_start_delay_s = 0;
};

Report MakeReport(const LoadResult& result);
// The same; UNAVAILABLE with an error of a request where one failed.
absl::StatusOr<Report> Finished(const LoadResult& result);
std::string ToTable(const Report& report);
Json ToJson(const Report& report);

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_SERVING_REPORT_H_
