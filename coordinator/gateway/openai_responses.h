// OpenAI's answers as JSON: shapes only. Chat and text completions differ in object names and in
// where the text stands.
#ifndef SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_RESPONSES_H_
#define SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_RESPONSES_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "coordinator/gateway/completion.h"
#include "coordinator/gateway/served_model.h"

namespace switchyard::gateway {

enum class Endpoint { kChat, kCompletion };

// What all messages of one answer share.
struct AnswerHead {
  Endpoint endpoint = Endpoint::kChat;
  std::string id;  // "chatcmpl-..." or "cmpl-..."
  int64_t created_unix_s = 0;
  std::string model;
  bool usage_chunk =
      false;  // streaming: a usage chunk will follow, so that every other chunk says "usage": null
};

// A head with a fresh id and the time of now.
AnswerHead MakeAnswerHead(Endpoint endpoint, const ServedModel& model);

// The whole answer. REQUIRES: end.status.ok().
Json FullAnswer(const AnswerHead& head, std::string_view text, const CompletionEnd& end);

// Streaming: the first chunk of a chat (role), a piece of text, the end (empty delta,
// finish_reason), the usage.
Json RoleChunk(const AnswerHead& head);
Json TextChunk(const AnswerHead& head, std::string_view text);
Json FinishChunk(const AnswerHead& head, const CompletionEnd& end);
Json UsageChunk(const AnswerHead& head, const CompletionEnd& end);

// One entry of /v1/models, and the list.
Json ModelObject(const ServedModel& model, int32_t context_length);
Json ModelList(const ServedModel& model, int32_t context_length);

}  // namespace switchyard::gateway

#endif  // SWITCHYARD_COORDINATOR_GATEWAY_OPENAI_RESPONSES_H_
