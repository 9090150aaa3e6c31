// gRPC's requests, brought into the form that requests have here.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_GENERATE_REQUEST_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_GENERATE_REQUEST_H_

#include <variant>

#include "base/json.h"
#include "base/status.h"
#include "coordinator/gateway/openai_types.h"
#include "proto/inference.pb.h"

namespace switchyard::gateway {

// A chat, or text or tokens to be continued: translated into what the same request would be over
// HTTP, so that the fields are read and checked in one place. Errors are INVALID_ARGUMENT, with a
// param. Not for I/O threads: a grammar is compiled.
absl::StatusOr<std::variant<ChatCompletionRequest, CompletionRequest>> ReadGenerateRequest(
    const v1::GenerateRequest& request);

// The fields of the same request to /tokenize, or /detokenize.
absl::StatusOr<Json> TokenizeFields(const v1::TokenizeRequest& request);
Json DetokenizeFields(const v1::DetokenizeRequest& request);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_GENERATE_REQUEST_H_
