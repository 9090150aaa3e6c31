// gRPC's GenerateRequest, brought into the form that requests have here.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_GENERATE_REQUEST_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_GENERATE_REQUEST_H_

#include <variant>

#include "base/status.h"
#include "coordinator/gateway/openai_types.h"
#include "proto/inference.pb.h"

namespace switchyard::gateway {

// A chat, or text or tokens to be continued: translated into what the same request would be over
// HTTP, so that the fields are read and checked in one place. Errors are INVALID_ARGUMENT, with a
// param. Not for I/O threads: a grammar is compiled.
absl::StatusOr<std::variant<ChatCompletionRequest, CompletionRequest>> ReadGenerateRequest(
    const v1::GenerateRequest& request);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_GENERATE_REQUEST_H_
