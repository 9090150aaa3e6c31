// Sends requests to a server of the OpenAI dialect and times what streams back.
#ifndef SWITCHYARD_BENCH_SERVING_LOAD_H_
#define SWITCHYARD_BENCH_SERVING_LOAD_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "cli/http_client.h"

namespace switchyard::bench {

struct LoadOptions {
  cli::HttpAddress address;
  std::string path;  // "/v1/chat/completions"
  int num_requests = 100;
  int concurrency = 8;                      // requests under way at the most; a thread each
  double requests_per_s = 0;                // Poisson arrivals; 0: the next as soon as one is done
  uint64_t seed = 0;                        // of the arrivals
  std::function<Json(int index)> body;      // called on all threads
  std::function<void(int done)> progress;   // likewise; may be empty
  const std::atomic<bool>* stop = nullptr;  // once it is true no more are sent; may be null
};

// One request as its client saw it. Times in seconds.
struct RequestRecord {
  std::string error;       // empty: the answer came whole
  double start_delay = 0;  // behind its arrival, because all threads were busy
  int64_t num_texts =
      0;  // events that brought text or log probabilities; 0 for an answer that ended at once
  double first_token = 0;     // from sending to the first text
  double total = 0;           // from sending to the end
  double last_token = 0;      // from sending to the last text
  std::vector<double> gaps;   // between texts
  int64_t prompt_tokens = 0;  // as the server counts; 0 if it does not
  int64_t output_tokens = 0;  // likewise; the number of texts if it does not
};

struct LoadResult {
  double wall = 0;  // seconds from the first request's sending to the last one's end
  std::vector<RequestRecord> requests;
};

// REQUIRES: num_requests and concurrency are positive.
LoadResult RunLoad(const LoadOptions& options);

}  // namespace switchyard::bench

#endif  // SWITCHYARD_BENCH_SERVING_LOAD_H_
