// Where a response goes: to its client, whole or as events, and to the store.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_SINK_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_SINK_H_

#include <memory>

#include "base/json.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/gateway_metrics.h"
#include "coordinator/gateway/http_message.h"
#include "coordinator/gateway/responses_store.h"

namespace switchyard::gateway {

inline constexpr std::string_view kResponsesRoute = "/v1/responses";

struct ResponseTarget {
  std::shared_ptr<HttpReply> reply;
  bool stream = false;
  bool background = false;            // it is answered, and kept, once it is admitted
  StoredResponse record;              // what to keep it with
  ResponsesStore* store = nullptr;    // outlives the sink; null: it is not kept
  GatewayMetrics* metrics = nullptr;  // outlives the sink
};

// The sink of one completion. `response`: MakeResponseObject.
std::shared_ptr<CompletionSink> MakeResponseSink(Json response, ResponseTarget target);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_RESPONSES_SINK_H_
