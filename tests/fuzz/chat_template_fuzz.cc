// Any bytes as a chat template, rendered over a conversation with tools: no input may crash it,
// hang it or take much memory.
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "coordinator/text/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using switchyard::Json;
  using switchyard::text::ChatTemplate;
  static const Json* const kMessages = new Json(Json::parse(R"([
      {"role": "system", "content": "Be <|brief|>."},
      {"role": "user", "content": [{"type": "text", "text": " héllo 你好 "}]},
      {"role": "assistant", "content": null, "tool_calls": [
        {"type": "function", "function": {"name": "f", "arguments": {"x": 1, "y": [2.5, null, true]}}}]},
      {"role": "tool", "content": "42"}])"));
  static const Json* const kTools = new Json(Json::parse(
      R"([{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}])"));
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const auto chat = ChatTemplate::Compile(source);
  if (!chat.ok()) return 0;
  const switchyard::text::jinja::Limits limits{
      .work_max = 100'000, .memory_bytes_max = 16 << 20, .text_bytes_max = 1 << 20};
  const auto rendered = chat->Render({.messages = *kMessages,
                                      .tools = kTools,
                                      .add_generation_prompt = true,
                                      .bos_token = "<s>",
                                      .eos_token = "</s>"},
                                     limits);
  if (rendered.ok()) SY_CHECK_LE(rendered->Text().size(), limits.text_bytes_max);
  return 0;
}
