// From running completions to the messages of one gRPC call.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_GENERATE_ANSWER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_GENERATE_ANSWER_H_

#include <cstddef>
#include <memory>

#include "base/status.h"
#include "coordinator/gateway/answer_sinks.h"
#include "proto/inference.pb.h"

namespace switchyard::gateway {

// Messages are joined, and answers cut, to no more, unless one token takes more: clients of gRPC
// take messages of 4 MiB unless they are told otherwise.
inline constexpr size_t kMostMessageBytes = size_t{1} << 20;

// Where the messages go. Thread-safe, never blocks.
class GenerateStream {
 public:
  virtual ~GenerateStream() = default;
  virtual void Push(v1::GenerateResponse response) = 0;
  // Once and last.
  virtual void End(const absl::Status& status) = 0;
};

// `metrics` outlives the answer.
std::shared_ptr<Answer> MakeGenerateAnswer(AnswerHead head, AnswerShape shape,
                                           std::shared_ptr<GenerateStream> stream,
                                           GatewayMetrics& metrics);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_GENERATE_ANSWER_H_
