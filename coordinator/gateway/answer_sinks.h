// The two forms of an OpenAI answer: whole, or streamed as server-sent events.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_SINKS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_SINKS_H_

#include <memory>

#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/gateway_metrics.h"
#include "coordinator/gateway/http_message.h"
#include "coordinator/gateway/openai_responses.h"

namespace switchyard::gateway {

// The sink for one answer; `metrics` outlives it.
std::shared_ptr<CompletionSink> MakeAnswerSink(AnswerHead head, bool stream,
                                               std::shared_ptr<HttpReply> reply,
                                               GatewayMetrics& metrics);

// The route's name in metrics.
const char* RouteName(Endpoint endpoint);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_ANSWER_SINKS_H_
