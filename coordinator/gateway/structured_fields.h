// What an answer must look like: the fields that ask for JSON, a schema, a pattern, a grammar or
// one of some choices, compiled.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_STRUCTURED_FIELDS_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_STRUCTURED_FIELDS_H_

#include <memory>
#include <string>

#include "base/json.h"
#include "base/status.h"
#include "coordinator/gateway/json_fields.h"
#include "proto/grammar.pb.h"

namespace switchyard::gateway {

// INVALID_ARGUMENT, with `param`, for a grammar that is too large to be sent to workers.
absl::Status CheckGrammarSize(const v1::Grammar& grammar, const std::string& param);

// From `response_format` (OpenAI: text, json_object, json_schema), `guided_json`, `guided_regex`,
// `guided_choice`, `guided_grammar`, or an object `structured_outputs` with one of `json`, `regex`,
// `choice`, `grammar`, `json_object` (vLLM): one of them at most. Null: the answer is free. JSON is
// compact unless `structured_outputs` has `disable_any_whitespace`: false.
// Unknown members of `response_format` are added to what is unread of `request`.
// INVALID_ARGUMENT, with the field as param, also for what the grammar compiler refuses. Takes as
// long as the compiler's limits let it: not for I/O threads.
absl::StatusOr<std::shared_ptr<const v1::Grammar>> ReadStructure(const RequestFields& request);

// The `response_format` that says the same as a format of Responses or Messages, {type, name,
// schema, ...}: there, what a json_schema has beside its type is a member `json_schema`. REQUIRES:
// an object.
Json ToResponseFormat(const Json& format);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_STRUCTURED_FIELDS_H_
