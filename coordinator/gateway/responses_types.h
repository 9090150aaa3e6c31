// Requests of OpenAI's Responses API, brought into the form that chat requests have here.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_TYPES_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_TYPES_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/status.h"
#include "coordinator/gateway/openai_types.h"

namespace switchyard::gateway {

struct ResponsesRequest {
  Json fields;              // the body: an object
  Json input;               // its items as a list; each has a type, and an id of its own
  std::string previous;     // previous_response_id, or empty
  bool store = true;        // the response can be asked for, and gone on from
  bool background = false;  // it is answered at once, and generated behind
  bool stream = false;
  bool truncate = false;  // turns at the beginning may be left out to fit the context
};

// Everything but the items' contents is checked. INVALID_ARGUMENT with the field as param.
absl::StatusOr<ResponsesRequest> ParseResponsesRequest(std::string_view body);

// The chat request that means the same as `context` (items of former responses) followed by the
// request's own input: instructions stand before both; function calls become tool_calls of the
// assistant's message before them, their outputs messages of the role tool, reasoning items
// reasoning_content of the assistant's message behind them (none: they are left out); templates say
// of which turns it is written again. INVALID_ARGUMENT, with a param in the API's words.
// Takes as long as the grammar compiler's limits let it: not for I/O threads.
absl::StatusOr<ChatCompletionRequest> ToChatRequest(const ResponsesRequest& request,
                                                    const Json& context);

// `status` in the words of this API, where it is in those of the chat API: its param, and what its
// message has in quotes.
absl::Status InResponsesWords(const absl::Status& status);

// What a response says of the request that it answers: instructions, tools, temperature and so on.
Json EchoedFields(const ResponsesRequest& request);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_TYPES_H_
