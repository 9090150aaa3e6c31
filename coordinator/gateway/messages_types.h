// Anthropic's Messages requests, brought into the form that chat requests have here.
//
// Unknown fields are ignored, and named as in openai_types.h; content that is neither text nor
// tools (images, documents) is refused.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_MESSAGES_TYPES_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_MESSAGES_TYPES_H_

#include <string_view>

#include "base/status.h"
#include "coordinator/gateway/openai_types.h"

namespace switchyard::gateway {

// What comes out passed every check of ParseChatCompletionRequest. Errors are INVALID_ARGUMENT,
// with a param.
//   system, messages: text blocks are joined; tool_use becomes tool_calls, tool_result a message of
//   the role tool, whose text says so if it is an error; thinking reasoning_content: templates say
//   of which turns it is written again.
//   A last message of the assistant: continue_final_message, the answer goes on with it.
//   output_config.format, or output_format: the form of the answer, response_format; refused where
//   the answer goes on with a last message.
//   output_config.effort: the template's reasoning_effort; none is as thinking that is disabled,
//   unless the request has that field.
//   thinking: {type: enabled | disabled} sets the template's enable_thinking, budget_tokens the
//   most tokens of thoughts.
absl::StatusOr<ChatCompletionRequest> ParseMessagesRequest(std::string_view body);

// The same for /v1/messages/count_tokens, which needs no max_tokens.
absl::StatusOr<ChatCompletionRequest> ParseCountTokensRequest(std::string_view body);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_MESSAGES_TYPES_H_
