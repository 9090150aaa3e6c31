// From running completions to the messages of one gRPC call.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_GENERATE_ANSWER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_GENERATE_ANSWER_H_

#include <memory>

#include "base/status.h"
#include "coordinator/gateway/answer_sinks.h"
#include "proto/inference.pb.h"

namespace switchyard::gateway {

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
