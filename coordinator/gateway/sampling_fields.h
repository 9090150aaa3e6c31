// How a request wants its tokens chosen: the fields of the sampling parameters as clients write
// them, checked, and what the workers get of it.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_SAMPLING_FIELDS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_SAMPLING_FIELDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "coordinator/gateway/json_fields.h"
#include "coordinator/gateway/served_model.h"
#include "proto/step.pb.h"

namespace switchyard::gateway {

// Unset: the model's default (generation_config.json), else the engine's, which changes nothing.
struct SamplingFields {
  static constexpr size_t kMaxBiases = 1024;
  static constexpr size_t kMaxWords = 64;
  static constexpr size_t kMaxWordBytes = 256;

  std::optional<float> temperature;                   // [0, 2]
  std::optional<float> top_p;                         // (0, 1]
  std::optional<int32_t> top_k;                       // 0 or -1: all
  std::optional<float> min_p;                         // [0, 1]
  std::optional<float> typical_p;                     // (0, 1]
  std::optional<float> presence_penalty;              // [-2, 2]
  std::optional<float> frequency_penalty;             // [-2, 2]
  std::optional<float> repetition_penalty;            // (0, 10]
  std::vector<std::pair<int32_t, float>> logit_bias;  // token, [-100, 100]; each token once
  std::optional<uint64_t> seed;                       // unset: chosen by the gateway
  std::optional<int32_t> min_tokens;
  std::optional<int32_t> max_thinking_tokens;  // positive
  std::vector<std::string> bad_words;          // texts that the answer must not contain
  std::vector<int32_t> stop_token_ids;  // each ends the answer, as the model's own end tokens do
  bool ignore_eos = false;              // the model's own end tokens do not
};

// INVALID_ARGUMENT with the field as param.
absl::Status ReadSampling(const RequestFields& request, SamplingFields* fields);

// The checks that do not depend on the wire's form; ReadSampling has made them, the gRPC service
// calls them.
absl::Status CheckSampling(const SamplingFields& fields);

// Tokens that end an answer: the model's, unless ignored, and the request's.
std::vector<int32_t> EndingTokens(const ServedModel& model, const SamplingFields& fields);

// INVALID_ARGUMENT for tokens outside the vocabulary and words that come to no token. REQUIRES:
// `fields` passed CheckSampling.
absl::StatusOr<v1::SamplingParams> MakeSampling(const ServedModel& model,
                                                const SamplingFields& fields);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_SAMPLING_FIELDS_H_
