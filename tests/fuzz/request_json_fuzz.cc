// Any bytes as the body of an OpenAI request: refused with a well-formed error, or taken in the
// promised form.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "coordinator/gateway/error_map.h"
#include "coordinator/gateway/openai_types.h"

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

}  // namespace
}  // namespace switchyard::gateway

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace switchyard::gateway;
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  const auto chat = ParseChatCompletionRequest(body);
  if (chat.ok()) {
    CheckGenerationIsInRange(chat->generation);
    for (const auto& message : chat->chat.messages) {
      SY_CHECK(message["role"].is_string());
      SY_CHECK(message["content"].is_string() || message["content"].is_null());
    }
    SY_CHECK(chat->chat.template_kwargs.is_object());
  } else {
    CheckError(chat.status());
  }
  const auto completion = ParseCompletionRequest(body);
  if (completion.ok()) {
    CheckGenerationIsInRange(completion->generation);
  } else {
    CheckError(completion.status());
  }
  return 0;
}
