// Any bytes as the body of a request in each dialect: refused with a well-formed error, or taken in
// the promised form.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/messages_types.h"
#include "coordinator/gateway/openai_types.h"
#include "coordinator/gateway/responses_types.h"
#include "coordinator/gateway/sse_writer.h"

namespace switchyard::gateway {
namespace {

void CheckError(const absl::Status& status) {
  SY_CHECK(status.code() == absl::StatusCode::kInvalidArgument) << Message(status);
  const HttpResponse response = ErrorResponse(status);
  SY_CHECK_EQ(response.status, 400);
  SY_CHECK(ParseJson(response.body).ok()) << response.body;
}

void CheckGenerationIsInRange(const GenerationFields& fields) {
  SY_CHECK(CheckGeneration(fields).ok());
  SY_CHECK(!fields.max_tokens || *fields.max_tokens >= 1);
  SY_CHECK_LE(fields.stop.size(), size_t{16});
}

void CheckChatRequest(const absl::StatusOr<ChatCompletionRequest>& chat) {
  if (!chat.ok()) return CheckError(chat.status());
  CheckGenerationIsInRange(chat->generation);
  for (const auto& message : chat->chat.messages) {
    SY_CHECK(message["role"].is_string());
    SY_CHECK(message["content"].is_string() || message["content"].is_null());
  }
  SY_CHECK(chat->chat.template_kwargs.is_object());
}

// A response that goes on from itself: what is kept can be read again.
void CheckResponses(std::string_view body) {
  const auto request = ParseResponsesRequest(body);
  if (!request.ok()) return CheckError(request.status());
  SY_CHECK(request->input.is_array());
  SY_CHECK(EchoedFields(*request).is_object());
  const auto chat = ToChatRequest(*request, switchyard::Json::array());
  CheckChatRequest(chat);
  if (!chat.ok()) return;
  const auto kept = switchyard::ParseJson(DumpJson(request->input));
  SY_CHECK(kept.ok());
  SY_CHECK(ToChatRequest(*request, *kept).ok());
}

}  // namespace
}  // namespace switchyard::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace switchyard::gateway;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  CheckChatRequest(ParseChatCompletionRequest(body));
  CheckChatRequest(ParseMessagesRequest(body));
  CheckResponses(body);
  const auto completion = ParseCompletionRequest(body);
  if (completion.ok()) {
    CheckGenerationIsInRange(completion->generation);
  } else {
    CheckError(completion.status());
  }
  return 0;
}
