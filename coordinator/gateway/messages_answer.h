// Answers in the shape of Anthropic's Messages API, whole or as its server-sent events.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_MESSAGES_ANSWER_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_MESSAGES_ANSWER_H_

#include <cstdint>
#include <memory>
#include <string>

#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/gateway_metrics.h"
#include "coordinator/gateway/http_message.h"

namespace switchyard::gateway {

// What all of one answer shares.
struct MessagesHead {
  std::string_view route;  // in metrics
  std::string id;          // "msg_..."
  std::string model;
  int32_t num_prompt_tokens = 0;
};

// {"type": "error", "error": {"type", "message"}}. REQUIRES: !status.ok().
HttpResponse MessagesErrorResponse(const absl::Status& status);
// The body of the same, of an error that has an HTTP status only.
std::string MessagesErrorBody(int http_status, std::string_view message);

// The sink of one completion; `metrics` outlives it.
std::shared_ptr<CompletionSink> MakeMessagesSink(MessagesHead head, bool stream,
                                                 std::shared_ptr<HttpReply> reply,
                                                 GatewayMetrics& metrics);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_MESSAGES_ANSWER_H_
