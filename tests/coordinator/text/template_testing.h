// Renders a template in one line of a test.
#ifndef SWITCHYARD_TESTS_COORDINATOR_TEXT_TEMPLATE_TESTING_H_
#define SWITCHYARD_TESTS_COORDINATOR_TEXT_TEMPLATE_TESTING_H_

#include <string>
#include <string_view>

#include "coordinator/text/chat_template.h"

namespace switchyard::text {

inline absl::StatusOr<RenderedText> RenderTemplate(std::string_view source,
                                                   const Json& messages = Json::array(),
                                                   const Json& kwargs = Json::object()) {
  SY_ASSIGN_OR_RETURN(const ChatTemplate chat, ChatTemplate::Compile(source));
  return chat.Render({.messages = messages,
                      .kwargs = &kwargs,
                      .bos_token = "<s>",
                      .eos_token = "</s>",
                      .now = {.tm_mday = 5, .tm_mon = 7, .tm_year = 125}});  // 5 August 2025
}

// The output, or "error: " and the message.
inline std::string RenderOrError(std::string_view source, const Json& messages = Json::array(),
                                 const Json& kwargs = Json::object()) {
  const auto rendered = RenderTemplate(source, messages, kwargs);
  if (rendered.ok()) return rendered->Text();
  return "error: " + std::string(Message(rendered.status()));
}

// The output with the parts that came with the request in brackets.
inline std::string RenderMarked(std::string_view source, const Json& messages,
                                const Json& kwargs = Json::object()) {
  const auto rendered = RenderTemplate(source, messages, kwargs);
  if (!rendered.ok()) return "error: " + std::string(Message(rendered.status()));
  std::string marked;
  for (const RenderedText::Segment& segment : rendered->segments) {
    marked += segment.from_user ? "[" + segment.text + "]" : segment.text;
  }
  return marked;
}

}  // namespace switchyard::text

#endif  // SWITCHYARD_TESTS_COORDINATOR_TEXT_TEMPLATE_TESTING_H_
