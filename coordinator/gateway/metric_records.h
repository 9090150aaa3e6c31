// What is measured of a request and of a step, whatever the metrics are called.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_METRIC_RECORDS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_METRIC_RECORDS_H_

#include <cstdint>
#include <optional>

namespace switchyard::gateway {

// How a generation ended; the first two are successes.
enum class RequestEnding { kStop, kLength, kError, kCancelled };

// A generation that is over, or was refused. Times count from its arrival, seconds; unset: never.
struct RequestRecord {
  bool was_admitted = true;  // it had a place in the queue
  RequestEnding ending = RequestEnding::kStop;
  int32_t num_prompt_tokens = 0;
  int32_t num_generated_tokens = 0;
  int32_t max_tokens = 0;
  std::optional<double> started_s;  // the first plan with it has left
  std::optional<double> first_token_s;
  std::optional<double> last_token_s;
  double end_s = 0;
};

// A step of the cluster.
struct StepFigures {
  int64_t num_computed_tokens = 0;  // known before the step: prompts' and the newest of answers
  int64_t num_preemptions = 0;
  // Of prompts that have started: their tokens, and those found in the prefix cache.
  int64_t num_looked_up_tokens = 0;
  int64_t num_cached_tokens = 0;
  int64_t num_drafted_tokens = 0;
  int64_t num_accepted_tokens = 0;
  int64_t num_drafted_sequences = 0;
};

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_METRIC_RECORDS_H_
