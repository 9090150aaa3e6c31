// Finds the chat template of a model in its folder.
#ifndef SWITCHYARD_COORDINATOR_TEXT_CHAT_TEMPLATE_FILE_H_
#define SWITCHYARD_COORDINATOR_TEXT_CHAT_TEMPLATE_FILE_H_

#include <optional>
#include <string>

#include "base/status.h"
#include "coordinator/text/chat_template.h"

namespace switchyard::text {

struct ModelChatTemplate {
  ChatTemplate chat;
  // What some models use instead when the request brings tools.
  std::optional<ChatTemplate> tool_use;
  // Of tokenizer_config.json; empty if it names none.
  std::string bos_token;
  std::string eos_token;
  // What both templates say, for what can be told from it: whether the model thinks, how it calls.
  std::string source;

  const ChatTemplate& Select(bool has_tools) const {
    return has_tools && tool_use.has_value() ? *tool_use : chat;
  }
};

// Reads, in this order: `dir`/chat_template.jinja, `dir`/chat_template.json, and `chat_template` of
// `dir`/tokenizer_config.json (one template, or a list of named ones, of which "default" and
// "tool_use" are used). Of a GGUF file: what it has under `tokenizer.chat_template`. NOT_FOUND if
// the model has no chat template; INVALID_ARGUMENT, with the file, if one of them cannot be read.
absl::StatusOr<ModelChatTemplate> LoadChatTemplate(const std::string& dir);

}  // namespace switchyard::text

#endif  // SWITCHYARD_COORDINATOR_TEXT_CHAT_TEMPLATE_FILE_H_
